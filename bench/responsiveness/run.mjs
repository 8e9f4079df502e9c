// Is Node free while Coppice works? Trains, prunes and evaluates vgg16-sized weights and prints the event loop's delay,
// then how long an abort takes: node bench/responsiveness/run.mjs
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { adversarial, builtin, cifarLarge, compress, evaluate, train, vgg16 } from '../../dist/lib/index.js'

const data = await builtin({ train: 2000, test: 500 })
const objective = adversarial({ steps: 5 })
const rows = []

async function measure(what, work) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const started = performance.now()
  await work()
  delay.disable()
  // The histogram counts from timer to timer: the 1 ms between two timers is not delay.
  const ms = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - 1)
  const row = {
    what,
    seconds: (performance.now() - started) / 1000,
    p50: ms(delay.percentile(50)),
    p99: ms(delay.percentile(99)),
    max: ms(delay.max),
  }
  rows.push(row)
  console.error(`${what}: p99 ${row.p99.toFixed(1)} ms, max ${row.max.toFixed(1)} ms`)
}

const large = await cifarLarge({ seed: 1 })
await measure('cifarLarge, adversarial training', () =>
  train(large, data.train, { objective, epochs: 4, onProgress: () => {} }),
)
await measure('cifarLarge, prune and fine-tune', async () => {
  for await (const _ of compress(large, data.train, { sparsity: 0.9, steps: 4, epochsPerStep: 1 }));
})
await measure('cifarLarge, evaluation with PGD', () => evaluate(large, data.test, { robust: objective }))
const vgg = await vgg16({ seed: 1 })
await measure('vgg16, natural training and 4 pruning steps', async () => {
  const few = data.train.take(256)
  await train(vgg, few, { epochs: 1 })
  for await (const _ of compress(vgg, few, { sparsity: 0.9, steps: 4, epochsPerStep: 1 }));
})

const controller = new AbortController()
const batches = []
let last = performance.now()
const running = train(vgg, data.train, {
  objective,
  epochs: 1,
  signal: controller.signal,
  onProgress: () => {
    batches.push(performance.now() - last)
    last = performance.now()
    if (batches.length === 2) setTimeout(() => controller.abort(), batches[1] / 2)
  },
}).catch((error) => error)
const aborted = new Promise((done) =>
  controller.signal.addEventListener('abort', () => done(performance.now())),
)
const from = await aborted
await running
const abort = { batch: batches[1], stoppedAfter: performance.now() - from }
console.error(
  `abort: stopped after ${abort.stoppedAfter.toFixed(0)} ms of a batch of ${abort.batch.toFixed(0)} ms`,
)

const hardware = `${cpus()[0].model}, ${cpus().length} CPUs, Node ${process.version}`
const table = `# Is Node free while Coppice works?

\`node bench/responsiveness/run.mjs\`
${hardware}. Delay of the event loop in ms, sampled every millisecond.

| work | seconds | median | 99th percentile | max |
|---|---|---|---|---|
${rows.map((r) => `| ${r.what} | ${r.seconds.toFixed(1)} | ${r.p50.toFixed(1)} | ${r.p99.toFixed(1)} | ${r.max.toFixed(1)} |`).join('\n')}

An \`AbortSignal\` in the middle of a vgg16 batch of ${abort.batch.toFixed(0)} ms stopped it after ${abort.stoppedAfter.toFixed(0)} ms.
`
writeFileSync(join(import.meta.dirname, 'results.md'), table)
console.log(table)
