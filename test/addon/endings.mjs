// Ends a process or a worker in the middle of a job: endings.mjs exit | terminate | forget | close | workers
// `exit reading` and `terminate reading` do it while the network of the job is read again and again.
import { readFileSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { addon } from '../../dist/bindings/load.js'
import { networkSpec } from '../../dist/lib/networks/index.js'

const how = isMainThread ? process.argv.slice(2).join(' ') : workerData
const native = addon()
native.setThreads(1)

const createNetwork = () =>
  native.createNetwork(networkSpec('cifarLarge', { scale: 0.25 }), { device: 'cpu', type: 'float32' }).promise

async function startLongJob(onProgress, evaluation = {}) {
  const network = await createNetwork()
  const n = 20_000
  const dataset = await native.createDataset(new Uint8Array(n * 3072), new Uint8Array(n), {
    shape: [3, 32, 32],
    classes: 10,
    device: 'cpu',
  }).promise
  const attack = { kind: 'pgd', epsilon: 0.03, stepSize: 0.01, steps: 1000, restarts: 1, start: 'uniform' }
  const request = {
    indices: Uint32Array.from({ length: n }, (_, i) => i),
    batchSize: 128,
    precision: 'fp32',
    attack,
    seed: 0,
    ...evaluation,
  }
  const job = native.evaluate(network, dataset, request, onProgress)
  return { job, network }
}

/** Reads the network of a job of short batches for ever. */
async function readDuringJob() {
  const { network } = await startLongJob(null, { batchSize: 1, attack: null })
  for (;;) await network.snapshot().promise
}

/** Of this process, in MiB. */
const residentMemory = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024

const startWorker = (what) =>
  new Worker(new URL(import.meta.url), { workerData: what }).on('error', (error) => {
    throw error
  })

if (!isMainThread) {
  if (how === 'brief') {
    const network = await createNetwork()
    await network.initialise(0).promise
    await native.forward(network, new Float32Array(3072), { precision: 'fp32', training: false }).promise
  } else if (how === 'reading') await readDuringJob()
  else await startLongJob(null)
} else if (how.startsWith('exit')) {
  if (how === 'exit reading') readDuringJob()
  else await startLongJob(null)
  setTimeout(() => process.exit(0), how === 'exit' ? 50 : 500)
} else if (how.startsWith('terminate')) {
  const worker = startWorker(how === 'terminate reading' ? 'reading' : 'long')
  await new Promise((done) => setTimeout(done, 1000))
  await worker.terminate()
  console.log('terminated')
} else if (how === 'workers') {
  // The first ones fill caches that stay: of this process, not of a worker.
  const start = async (count) => {
    for (let i = 0; i < count; ++i) await new Promise((done) => startWorker('brief').on('exit', done))
  }
  await start(6)
  const before = residentMemory()
  await start(12)
  console.log((residentMemory() - before) / 12)
} else if (how === 'close') {
  const { job } = await startLongJob(null)
  job.promise.catch(() => {})
  native.close()
  // A few turns of the event loop free the channel to this thread; nothing may use it afterwards.
  for (let turn = 0; turn < 5; ++turn) await new Promise((done) => setTimeout(done, 10))
  for (let i = 0; i < 100; ++i)
    try {
      await startLongJob(null)
    } catch (error) {
      if (i === 99) console.log(error.code)
    }
} else if (how === 'forget') {
  // Handles that nobody keeps are freed by the garbage collector, which knows their size.
  for (let i = 0; i < 200; ++i) {
    await native.createNetwork(networkSpec('cifarLarge'), { device: 'cpu', type: 'float32' }).promise
    await new Promise((done) => setImmediate(done))
  }
  console.log(JSON.stringify({ allocated: native.memory('cpu').allocated, peak: native.memory('cpu').peak }))
}
