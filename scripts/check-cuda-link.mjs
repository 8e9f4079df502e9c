// `npm run check:cuda [-- --libtorch FOLDER]`: compiles the CUDA sources with nvcc, links them against a CUDA libtorch
// and loads the result, on a machine without a GPU too. Without --libtorch one is installed into .libtorch-cuda.
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { buildNative, libtorchIn } from './build-native.mjs'
import { capture, Failure, filesUnder, main, root, say, which } from './common.mjs'
import { hasGpu, installLibtorch } from './install-libtorch.mjs'
import { compile, installDependencies } from './setup.mjs'

const own = join(root, '.libtorch-cuda')

/** Prints what the addon says of itself, and what a small network computes on every device. */
const load = `
const { fork } = require('node:child_process')
fork(${JSON.stringify(join(root, 'dist/bindings/probe.js'))}, ['answer'])
  .once('message', (answer) => console.log(JSON.stringify(answer)))
  .once('exit', (code, signal) => { process.exitCode = code ?? signal })
`

await main(async () => {
  const { values } = parseArgs({ options: { libtorch: { type: 'string' } } })
  if ((process.env.CUDACXX ?? which('nvcc')) === undefined && !existsSync('/usr/local/cuda/bin/nvcc')) {
    say('check:cuda: skipped, nvcc was not found (set CUDACXX to its path).')
    return
  }
  await installDependencies()
  await compile()
  const folder = values.libtorch ?? join(own, 'torch')
  if (values.libtorch === undefined && !existsSync(folder)) await installLibtorch({ cuda: true, folder: own })
  const found = await libtorchIn(folder)
  if (!found.cuda) throw new Failure(`${folder} is a CPU build of libtorch; this check needs a CUDA one.`)

  const sources = filesUnder(['native'], ['.cu'])
  if (sources.length === 0) throw new Failure('There is no .cu file under native/.')
  for (const file of sources) say(`  ${relative(root, file)}`)
  const binding = await buildNative({ found, cuda: 'on', out: join(own, 'build') })

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
})
