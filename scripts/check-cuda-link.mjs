// `npm run check:cuda [-- --libtorch FOLDER | --torch VERSION]`: compiles the CUDA sources with nvcc, links them against
// a CUDA libtorch and loads the result, on a machine without a GPU too. Does so with the newest supported libtorch and
// with the oldest of CUDA 13, installed into .libtorch-cuda*, unless one is named.
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { buildNative, libtorchIn } from './build-native.mjs'
import { capture, Failure, filesUnder, main, root, say, which } from './common.mjs'
import { hasGpu, installLibtorch, oldestCuda13, torchVersion } from './install-libtorch.mjs'
import { compile, installDependencies } from './setup.mjs'

const newest = join(root, '.libtorch-cuda')

/** Prints what the addon says of itself, and what a small network computes on every device. */
const load = `
const { fork } = require('node:child_process')
fork(${JSON.stringify(join(root, 'dist/bindings/probe.js'))}, ['answer'])
  .once('message', (answer) => console.log(JSON.stringify(answer)))
  .once('exit', (code, signal) => { process.exitCode = code ?? signal })
`

/** The folder of a version, installed where it is not yet. */
async function installed(version) {
  if (version === torchVersion) {
    if (!existsSync(newest)) await installLibtorch({ cuda: true, folder: newest })
    return newest
  }
  // The CUDA libraries, most of what there is to download, fit every torch of the same CUDA.
  const cudaLibrariesOf = await installed(torchVersion)
  const folder = `${newest}-${version}`
  if (!existsSync(folder)) await installLibtorch({ cuda: true, folder, version, cudaLibrariesOf })
  return folder
}

async function check(folder, out) {
  const found = await libtorchIn(folder)
  if (!found.cuda) throw new Failure(`${folder} is a CPU build of libtorch; this check needs a CUDA one.`)
  const sources = filesUnder(['native'], ['.cu'])
  if (sources.length === 0) throw new Failure('There is no .cu file under native/.')
  for (const file of sources) say(`  ${relative(root, file)}`)
  const binding = await buildNative({ found, cuda: 'on', out })

  const env = { COPPICE_BINDING: binding, COPPICE_LIBTORCH: folder }
  const { ok, stdout, stderr } = await capture(process.execPath, ['-e', load], { env })
  const { probe, error } = ok && stdout !== '' ? JSON.parse(stdout) : {}
  if (probe === undefined) throw new Failure(`The addon was linked but does not load: ${error ?? stderr}`)
  const { info, devices } = probe
  say(JSON.stringify({ torch: probe.torch, libtorch: probe.libtorch, ...info, devices }, null, 2))
  const gpu = await hasGpu()
  const broken = devices.find(({ problem }) => problem !== undefined)
  if (broken !== undefined) throw new Failure(`${broken.device} does not work: ${broken.problem}`)
  if (!info.cudaKernels) throw new Failure('The addon was linked but its CUDA kernels are not in it.')
  if (info.cudaAvailable !== gpu)
    throw new Failure(`CUDA is available: ${info.cudaAvailable}, but a GPU is here: ${gpu}.`)
  say(`${sources.length} CUDA sources compiled, linked against libtorch ${found.version} and loaded.`)
}

await main(async () => {
  const { values } = parseArgs({ options: { libtorch: { type: 'string' }, torch: { type: 'string' } } })
  if ((process.env.CUDACXX ?? which('nvcc')) === undefined && !existsSync('/usr/local/cuda/bin/nvcc')) {
    say('check:cuda: skipped, nvcc was not found (set CUDACXX to its path).')
    return
  }
  await installDependencies()
  await compile()
  if (values.libtorch !== undefined) return check(values.libtorch, join(newest, 'build'))
  for (const version of values.torch === undefined ? [torchVersion, oldestCuda13] : [values.torch]) {
    const folder = await installed(version)
    await check(join(folder, 'torch'), join(folder, 'build'))
  }
})
