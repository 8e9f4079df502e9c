// What the scripts share: the package's folder, running child processes, and telling what is up to date.
// Node built-ins only: the scripts run before dependencies are installed.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, freemem } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
export const require = createRequire(join(root, 'package.json'))

/** A failure with a message for people; scripts print it without a stack. */
export class Failure extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Progress goes to stderr, so that a job's stdout can be piped. */
export const say = (line) => process.stderr.write(`${line}\n`)

/** Running programs, each with the way to signal it. */
const children = new Map()
let interrupted

/**
 * Tools get a process group of their own, so that a signal ends what they started too (cmake, ninja, compilers).
 * A job that owns the terminal stays in ours, where the terminal itself delivers Ctrl-C.
 */
function start(command, args, { cwd, env, stdio }) {
  if (interrupted !== undefined) throw new Failure(`Interrupted by ${interrupted}.`)
  const owner = stdio === 'inherit'
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio, detached: !owner })
  children.set(child, (signal) => {
    if (owner) {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
      return
    }
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal)
    } catch {
      // it has just ended
    }
  })
  const forget = () => children.delete(child)
  child.once('error', forget).once('close', forget)
  return child
}

/** Runs a program to its end, its output on our stderr unless `stdio` says otherwise. Rejects if it fails. */
export async function run(
  command,
  args,
  { cwd = root, env = {}, stdio = ['ignore', 2, 2], what = command } = {},
) {
  const child = start(command, args, { cwd, env, stdio })
  const [code, signal] = await new Promise((fulfil, reject) => {
    child.once('error', (error) => reject(new Failure(`${what} could not be started: ${error.message}`)))
    child.once('close', (...how) => fulfil(how))
  })
  if (signal !== null) throw new Failure(`${what} was ended by ${signal}.`)
  if (code !== 0) throw new Failure(`${what} failed with exit code ${code}.`, code)
}

/** Runs a program and keeps what it prints, `echo` on our stderr too; never rejects. */
export function capture(command, args, { cwd = root, env = {}, echo = false } = {}) {
  const child = start(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const kept = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'])
    child[name].setEncoding('utf8').on('data', (text) => {
      kept[name] += text
      if (echo) process.stderr.write(text)
    })
  return new Promise((fulfil) => {
    child.once('error', (error) => fulfil({ ok: false, ...kept, stderr: error.message }))
    child.once('close', (code) => fulfil({ ok: code === 0, ...kept }))
  })
}

/** Runs a script's work; turns failures into a line and an exit code, and a signal into the children's end. */
export async function main(work) {
  const numbers = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 }
  for (const [signal, number] of Object.entries(numbers))
    process.on(signal, () => {
      interrupted = signal
      for (const send of children.values()) send(signal)
      if (children.size === 0) process.exit(128 + number)
    })
  try {
    await work()
  } catch (error) {
    const expected = error instanceof Failure || error.code?.startsWith('ERR_PARSE_ARGS')
    if (interrupted === undefined) say(expected ? `\n${error.message}` : error.stack)
    process.exitCode = error.exitCode ?? 1
  }
  if (interrupted !== undefined) process.exitCode = 128 + numbers[interrupted]
}

/** Absolute path of a program on the PATH, or undefined. */
export function which(program) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, program)
    try {
      accessSync(file, constants.X_OK)
      if (folder !== '' && statSync(file).isFile()) return file
    } catch {
      // not in this folder
    }
  }
  return undefined
}

/** Files under some files and folders, recursively, that end in one of the given extensions. */
export function filesUnder(paths, extensions = ['']) {
  const found = []
  const visit = (path) => {
    if (!existsSync(path)) return
    if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name))
    else if (extensions.some((extension) => path.endsWith(extension))) found.push(path)
  }
  for (const path of paths) visit(resolve(root, path))
  return found
}

/** A stamp of files that changes when one of them is edited, added or removed. */
export function stampOf(files, ...more) {
  const hash = createHash('sha256')
  for (const file of files) {
    const { mtimeMs, size } = statSync(file)
    hash.update(`${file} ${mtimeMs} ${size}\n`)
  }
  return hash.update(JSON.stringify(more)).digest('hex')
}

/** Does `work` unless `file` holds `stamp` from last time; tells whether it was done. */
export async function unlessStamped(file, stamp, work) {
  if (existsSync(file) && readFileSync(file, 'utf8') === stamp) return false
  await work()
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, stamp)
  return true
}

/** Compilers at once: libtorch's headers take up to 2 GB for one file. */
export const compileJobs = () =>
  Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / 2 ** 31)))

/** The compiled bindings/libtorch.ts, compiled alone if the package is not (or no longer) compiled. */
export async function libtorchModule() {
  const source = join(root, 'bindings/libtorch.ts')
  const target = join(root, 'dist/bindings/libtorch.js')
  const stale =
    !existsSync(target) || (existsSync(source) && statSync(source).mtimeMs > statSync(target).mtimeMs)
  if (stale) {
    let typescript
    try {
      typescript = require('typescript')
    } catch {
      throw new Failure("dist/ is not built and TypeScript is not installed: run 'npm run setup' first.")
    }
    const { outputText } = typescript.transpileModule(readFileSync(source, 'utf8'), {
      fileName: source,
      compilerOptions: { module: typescript.ModuleKind.CommonJS, target: typescript.ScriptTarget.ES2022 },
    })
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, outputText)
  }
  return require(target)
}
