// What this machine's GPU does, in one file and one table: node bench/gpu/run.mjs [--data CIFAR-10] [--out gpu]
//   [--device cuda] [--stages check,train,sparse,verify,cells] [--minutes 8] [--python python3] [--tiny]
// Each stage ends within --minutes and keeps every figure as soon as it has it, in OUT/results.json: the same command
// goes on with what is missing, and with what failed. `train` needs a Python whose torch sees the device; `verify` and
// `cells` take the built-in images where no --data is given. --tiny makes everything so small that it ends within two
// minutes on a CPU (--device cpu): it shows that everything runs, not how fast.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Results } from './results.mjs'
import { table } from './table.mjs'

const stages = ['check', 'train', 'sparse', 'verify', 'cells']

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    out: { type: 'string', default: 'gpu' },
    device: { type: 'string', default: 'cuda' },
    stages: { type: 'string', default: stages.join(',') },
    minutes: { type: 'string', default: '8' },
    python: { type: 'string', default: 'python3' },
    threads: { type: 'string', default: String(cpus().length) },
    tiny: { type: 'boolean', default: false },
    // Of the process that does one stage.
    stage: { type: 'string' },
  },
})

const out = resolve(options.out)
const file = join(out, 'results.json')
const fail = (message) => {
  console.error(message)
  process.exit(2)
}
const seconds = 60 * Number(options.minutes)
if (!(seconds > 0)) fail(`--minutes: expected a number greater than 0, received ${options.minutes}`)

/** Does one stage, in this process. */
async function doStage(name) {
  const { default: stage } = await import(`./${name}.mjs`)
  const results = new Results(file, name, performance.now() + 1000 * seconds)
  const { device, tiny, python } = options
  await stage({
    ...{ results, out, device, tiny, python },
    threads: Number(options.threads),
    data: options.data === undefined ? undefined : resolve(options.data),
  })
  process.exit(results.unfinished ? 3 : 0)
}

/** A stage in a process of its own: one that dies takes no other with it. */
function runStage(name) {
  const child = spawn(process.execPath, [...process.argv.slice(1), '--stage', name], {
    stdio: ['ignore', 2, 2],
  })
  const signals = ['SIGINT', 'SIGTERM']
  const pass = (signal) => child.kill(signal)
  for (const signal of signals) process.on(signal, pass)
  // What hangs must not keep the others from their turn.
  const late = setTimeout(() => child.kill('SIGKILL'), 1000 * (seconds + 120))
  return new Promise((fulfil) =>
    child.once('close', (code, signal) => {
      clearTimeout(late)
      for (const name of signals) process.off(name, pass)
      fulfil(signal ?? code)
    }),
  )
}

if (options.stage !== undefined) await doStage(options.stage)
else {
  const chosen = options.stages.split(',')
  const unknown = chosen.find((name) => !stages.includes(name))
  if (unknown !== undefined) fail(`--stages: ${unknown} is none of ${stages.join(', ')}`)
  if (options.data !== undefined && !existsSync(options.data)) fail(`--data: there is no ${options.data}`)
  mkdirSync(out, { recursive: true })
  const missing = []
  for (const name of chosen) {
    console.error(`=== ${name}`)
    const end = await runStage(name)
    if (end === 'SIGINT' || end === 130) process.exit(130)
    if (end !== 0) missing.push(name)
    Results.note(file, name, end === 0 || end === 3 ? undefined : `ended with ${end}`)
  }
  const text = table(Results.read(file), process.argv.slice(2))
  writeFileSync(join(out, 'results.md'), text)
  console.log(text)
  console.log(`Kept in ${out}.`)
  if (missing.length > 0) {
    console.log(`Not finished: ${missing.join(', ')}. The same command goes on with what is missing.`)
    process.exitCode = 1
  }
}
