// Installs the project's own libtorch by pip into .libtorch (ignored by git): a CPU build, or a CUDA build where an
// NVIDIA GPU is found or asked for. pip's own configuration (mirrors, wheel folders) is asked first.
import { existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { capture, Failure, root, say } from './common.mjs'
import { pipProblem } from './preconditions.mjs'

/** The newest supported libtorch. */
export const torchVersion = '2.13.0'
const cpuIndex = 'https://download.pytorch.org/whl/cpu'
const cudaIndex = 'https://download.pytorch.org/whl/cu130'

/** Whether an NVIDIA GPU and its driver are there. */
export async function hasGpu() {
  if (existsSync('/proc/driver/nvidia/version')) return true
  return (await capture('nvidia-smi', ['-L'])).ok
}

/** Installs into `folder`/torch; `cuda` also brings the CUDA libraries (several GB). */
export async function installLibtorch({ cuda, folder = join(root, '.libtorch') }) {
  const problem = await pipProblem()
  if (problem !== undefined) throw new Failure(`libtorch is installed by pip, which is missing:\n${problem}`)
  // `===` compares the whole version, so that a configured CPU wheel `2.13.0+cpu` is not taken for the CUDA one.
  const tries = cuda
    ? [[`torch===${torchVersion}`], [`torch==${torchVersion}+cu130`, '--extra-index-url', cudaIndex]]
    : [
        ['--no-deps', `torch==${torchVersion}+cpu`],
        ['--no-deps', `torch==${torchVersion}+cpu`, '--extra-index-url', cpuIndex],
      ]
  const kind = cuda ? 'CUDA (several GB)' : 'CPU (about 200 MB)'
  say(`Installing libtorch ${torchVersion}, ${kind}, into ${folder}`)
  // pip leaves half a package behind when it is interrupted: only a whole one gets the name.
  const partial = `${folder}.partial`
  const problems = []
  for (const args of tries) {
    rmSync(partial, { recursive: true, force: true })
    try {
      await pip(['install', '--target', partial, '--only-binary', ':all:', ...args])
    } catch (error) {
      problems.push(error.message)
      continue
    }
    if (cuda && !existsSync(join(partial, 'torch/lib/libtorch_cuda.so'))) {
      problems.push(`pip install ${args.join(' ')}: what it brought is a CPU build`)
      continue
    }
    rmSync(folder, { recursive: true, force: true })
    renameSync(partial, folder)
    return
  }
  rmSync(partial, { recursive: true, force: true })
  throw new Failure(
    [
      `libtorch could not be installed by pip:`,
      ...problems.map((text) => `  ${text}`),
      'Check the network, or install a torch 2.9 to 2.13 yourself and point COPPICE_LIBTORCH to its folder.',
    ].join('\n'),
  )
}

async function pip(args) {
  const command = ['-m', 'pip', '--disable-pip-version-check', ...args]
  const { ok, stderr } = await capture('python3', command, { echo: true })
  if (ok) return
  const line = stderr.split('\n').findLast((text) => text.startsWith('ERROR:')) ?? stderr.trim().slice(-300)
  throw new Failure(`pip install ${args.slice(5).join(' ')}: ${line}`)
}
