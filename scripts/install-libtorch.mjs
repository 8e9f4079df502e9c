// Installs the project's own libtorch by pip into .libtorch (ignored by git): a CPU build, or a CUDA build where an
// NVIDIA GPU is found or asked for. pip's own configuration (mirrors, wheel folders) is asked first.
import { existsSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { capture, Failure, root, say } from './common.mjs'
import { pipProblem } from './preconditions.mjs'

/** The newest supported libtorch. */
export const torchVersion = '2.13.0'
/** The oldest one that servers with CUDA 13 have. */
export const oldestCuda13 = '2.11.0'
const cpuIndex = 'https://download.pytorch.org/whl/cpu'
const cudaIndex = 'https://download.pytorch.org/whl/cu130'

/** Whether an NVIDIA GPU and its driver are there. */
export async function hasGpu() {
  if (existsSync('/proc/driver/nvidia/version')) return true
  return (await capture('nvidia-smi', ['-L'])).ok
}

/**
 * What pip is asked for, in order. `===` compares the whole version, so that a configured CPU wheel `2.13.0+cpu` is not
 * taken for the CUDA one, which is what PyPI has under the plain version. That one runs on the CPU too.
 */
const cudaTries = (version) => [
  [`torch===${version}`],
  [`torch==${version}+cu130`, '--extra-index-url', cudaIndex],
]
const cpuTries = [
  ['--no-deps', `torch==${torchVersion}+cpu`],
  ['--no-deps', `torch==${torchVersion}+cpu`, '--extra-index-url', cpuIndex],
  [`torch===${torchVersion}`],
]

/**
 * Installs into `folder`/torch; `cuda` also brings the CUDA libraries (several GB), unless they are taken from another
 * such folder.
 */
export async function installLibtorch({
  cuda,
  folder = join(root, '.libtorch'),
  version = torchVersion,
  cudaLibrariesOf,
}) {
  const problem = await pipProblem()
  if (problem !== undefined) throw new Failure(`libtorch is installed by pip, which is missing:\n${problem}`)
  // pip leaves half a package behind when it is interrupted: only a whole one gets the name.
  const partial = `${folder}.partial`
  const problems = []
  const alone = cudaLibrariesOf === undefined ? [] : ['--no-deps']
  for (const args of cuda ? cudaTries(version).map((args) => [...alone, ...args]) : cpuTries) {
    say(`Installing libtorch into ${folder}: pip install ${args.join(' ')}`)
    rmSync(partial, { recursive: true, force: true })
    const error = await pip(['install', '--target', partial, '--only-binary', ':all:', ...args])
    if (error !== undefined) problems.push(`pip install ${args.join(' ')}: ${error}`)
    else if (cuda && !existsSync(join(partial, 'torch/lib/libtorch_cuda.so')))
      problems.push(`pip install ${args.join(' ')}: what it brought is a CPU build`)
    else {
      if (cudaLibrariesOf !== undefined)
        symlinkSync(join(cudaLibrariesOf, 'nvidia'), join(partial, 'nvidia'), 'dir')
      rmSync(folder, { recursive: true, force: true })
      renameSync(partial, folder)
      return
    }
  }
  rmSync(partial, { recursive: true, force: true })
  const python = (await capture('python3', ['--version'])).stdout.trim()
  throw new Failure(
    [
      'libtorch could not be installed by pip:',
      ...problems.map((text) => `  ${text}`),
      `Check the network and that torch ${version} has a wheel for this Python (${python}), or install a torch 2.9 to 2.13 yourself and point COPPICE_LIBTORCH to its folder.`,
    ].join('\n'),
  )
}

/** The error that pip ends with, or undefined. */
async function pip(args) {
  const command = ['-m', 'pip', '--disable-pip-version-check', ...args]
  const { ok, stderr } = await capture('python3', command, { echo: true })
  if (ok) return undefined
  const line = stderr.split('\n').findLast((text) => text.startsWith('ERROR:'))
  return line?.slice('ERROR:'.length).trim() ?? (stderr.trim().slice(-300) || 'failed without a word')
}
