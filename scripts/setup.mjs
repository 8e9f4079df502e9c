// Sets everything up, skipping what is up to date: preconditions, dependencies, compiled TypeScript, libtorch and the
// native addon. `npm run setup [-- --cuda | --cpu]`; a choice between CUDA and CPU is remembered.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { buildNative } from './build-native.mjs'
import {
  Failure,
  filesUnder,
  libtorchModule,
  main,
  root,
  run,
  say,
  stampOf,
  unlessStamped,
} from './common.mjs'
import { hasGpu, installLibtorch } from './install-libtorch.mjs'
import { checkPreconditions } from './preconditions.mjs'

/** `device`: 'cuda' or 'cpu' when the user asks for one. Afterwards the package can be used. */
export async function setup({ device } = {}) {
  await checkPreconditions()
  await installDependencies()
  await compile()
  if (process.env.COPPICE_BINDING) {
    say(`Native build skipped: COPPICE_BINDING=${process.env.COPPICE_BINDING} is used.`)
    return
  }
  const choice = join(root, '.libtorch', 'device')
  const wish = device ?? (existsSync(choice) ? readFileSync(choice, 'utf8').trim() : undefined)
  const found = (await findLibtorch(wish)) ?? (await installOwn(wish))
  await buildNative({ found, cuda: wish === 'cpu' ? 'off' : 'auto' })
  if (wish === undefined) return
  mkdirSync(dirname(choice), { recursive: true })
  writeFileSync(choice, `${wish}\n`)
}

/** `npm ci`, when node_modules is not what package-lock.json says. */
export async function installDependencies() {
  const lock = join(root, 'package-lock.json')
  const installed = join(root, 'node_modules', '.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  say('Installing dependencies')
  await run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], { what: 'npm ci' })
}

/** TypeScript to dist/. */
export async function compile() {
  const sources = filesUnder(['lib', 'bindings'], ['.ts'])
  const stamp = stampOf([...sources, join(root, 'tsconfig.json'), join(root, 'package.json')])
  await unlessStamped(join(root, 'dist', '.compiled'), stamp, async () => {
    say('Compiling TypeScript')
    removeOrphans(sources)
    await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], { what: 'tsc' })
  })
}

/** Compiled files whose source is gone would still be importable. */
function removeOrphans(sources) {
  const known = new Set(sources.map((file) => relative(root, file).replace(/\.ts$/, '')))
  for (const file of filesUnder(['dist/lib', 'dist/bindings'])) {
    const name = relative(join(root, 'dist'), file).replace(/(\.d\.ts|\.js)(\.map)?$/, '')
    if (!known.has(name)) rmSync(file)
  }
}

async function findLibtorch(wish) {
  const { describeCandidate, isUsable, libtorchCandidates } = await libtorchModule()
  say('libtorch:')
  for (const found of libtorchCandidates({ root, purpose: 'build' })) {
    const wrong = isUsable(found) && wish === 'cuda' && !found.cuda
    const candidate = wrong ? { ...found, refused: 'it is a CPU build, and CUDA was asked for' } : found
    say(`  ${describeCandidate(candidate)}`)
    if (!isUsable(candidate)) continue
    if (!candidate.cuda && wish === undefined && (await hasGpu()))
      say("  An NVIDIA GPU is here, but this is a CPU build; 'npm run setup -- --cuda' installs a CUDA one.")
    return candidate
  }
  return undefined
}

async function installOwn(wish) {
  await installLibtorch({ cuda: wish === 'cuda' || (wish === undefined && (await hasGpu())) })
  const found = await findLibtorch(wish)
  if (found === undefined)
    throw new Failure('The libtorch that pip installed cannot be used; see the reasons above.')
  return found
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href)
  await main(async () => {
    const { values } = parseArgs({ options: { cuda: { type: 'boolean' }, cpu: { type: 'boolean' } } })
    if (values.cuda && values.cpu) throw new Failure('--cuda and --cpu exclude each other.')
    await setup({ device: values.cuda ? 'cuda' : values.cpu ? 'cpu' : undefined })
    say('Coppice is ready.')
  })
