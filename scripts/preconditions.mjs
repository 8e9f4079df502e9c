// What a machine must have before anything can be built. A missing piece is named with the line that installs it.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capture, Failure, root, unlessStamped, which } from './common.mjs'

const probe = `#include <concepts>
#include <span>
template <std::integral T> constexpr T twice(T x) { return x + x; }
int main() { int a[] = {twice(1)}; return static_cast<int>(std::span{a}.size()) - 1; }
`

/** One sentence if Coppice cannot run on this kind of machine at all, whatever is installed. */
export function platformProblem() {
  const { platform, arch } = process
  if (platform !== 'linux' || arch !== 'x64')
    return `Coppice runs on Linux x64 with glibc; this is ${platform} ${arch}.`
  if (process.report.getReport().header.glibcVersionRuntime === undefined)
    return 'Coppice runs on Linux x64 with glibc; this Linux has another C library (musl?).'
  return undefined
}

/**
 * Throws a Failure that lists all that is missing. Checked again only when the tools on the PATH change. `pip` is
 * asked for where libtorch may have to be installed.
 */
export async function checkPreconditions({ pip = true } = {}) {
  const problem = platformProblem()
  if (problem !== undefined) throw new Failure(problem)
  const tools = ['c++', 'g++', 'clang++', 'cmake', 'ninja', 'make', 'python3'].map(
    (name) => which(name) ?? '',
  )
  const stamp = JSON.stringify([pip, process.version, process.env.CXX ?? '', ...tools])
  await unlessStamped(join(root, 'node_modules', '.coppice', 'preconditions'), stamp, async () => {
    const missing = [nodeProblem(), await compilerProblem(), await cmakeProblem(), generatorProblem()]
    const own = existsSync(join(root, '.libtorch', 'torch'))
    if (pip && !own && !process.env.COPPICE_LIBTORCH && !process.env.LIBTORCH)
      missing.push(await pipProblem())
    const found = missing.filter((text) => text !== undefined)
    if (found.length > 0)
      throw new Failure(`This machine lacks what Coppice is built with:\n${found.join('\n')}`)
  })
}

/** Why pip cannot be asked to install libtorch, or undefined. */
export async function pipProblem() {
  if (which('python3') === undefined)
    return `  Python 3 with pip: ${install('python3 python3-pip', 'python3 python3-pip')}`
  const { ok } = await capture('python3', ['-m', 'pip', '--version'])
  return ok ? undefined : `  pip for ${which('python3')}: ${install('python3-pip', 'python3-pip')}`
}

function nodeProblem() {
  const major = Number.parseInt(process.versions.node, 10)
  return major >= 20
    ? undefined
    : `  Node 20 or newer (this is ${process.version}): see https://nodejs.org/en/download`
}

async function compilerProblem() {
  const named = process.env.CXX
  const compiler = named || ['c++', 'g++', 'clang++'].find((name) => which(name) !== undefined)
  if (compiler === undefined) return `  a C++20 compiler: ${install('g++', 'gcc-c++')}`
  const folder = mkdtempSync(join(tmpdir(), 'coppice-probe-'))
  try {
    writeFileSync(join(folder, 'probe.cc'), probe)
    const [program, ...flags] = compiler.split(' ')
    const args = [...flags, '-std=c++20', '-fopenmp', 'probe.cc', '-o', 'probe']
    const { ok, stderr } = await capture(program, args, { cwd: folder })
    if (ok) return undefined
    const line = stderr.split('\n').find((text) => /error/i.test(text)) ?? stderr.trim()
    const which = named ? `CXX=${named}` : compiler
    return `  a C++20 compiler with OpenMP (${which} says: ${line.trim()}): ${install('g++', 'gcc-c++')}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function cmakeProblem() {
  const line = install('cmake', 'cmake')
  const { ok, stdout } = await capture('cmake', ['--version'])
  if (!ok) return `  CMake 3.18 or newer: ${line}`
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(stdout) ?? [undefined, '0', '0']
  if (Number(major) > 3 || Number(minor) >= 18) return undefined
  return `  CMake 3.18 or newer (this is ${major}.${minor}): python3 -m pip install cmake`
}

function generatorProblem() {
  return (which('ninja') ?? which('make'))
    ? undefined
    : `  ninja or make: ${install('ninja-build', 'ninja-build')}`
}

function install(apt, dnf) {
  if (which('apt-get')) return `sudo apt-get install ${apt}`
  if (which('dnf')) return `sudo dnf install ${dnf}`
  return `sudo apt-get install ${apt}  (or: sudo dnf install ${dnf})`
}
