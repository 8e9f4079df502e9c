// Ends a process or a worker in the middle of a job: endings.mjs exit | terminate | forget | close
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { addon } from '../../dist/bindings/load.js'
import { networkSpec } from '../../dist/lib/networks/index.js'

const how = isMainThread ? process.argv[2] : workerData
const native = addon()
native.setThreads(1)

async function startLongJob(onProgress) {
  const network = await native.createNetwork(networkSpec('cifarLarge', { scale: 0.25 }), {
    device: 'cpu',
    type: 'float32',
  }).promise
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
  }
  return native.evaluate(network, dataset, request, onProgress)
}

if (!isMainThread) {
  await startLongJob(null)
} else if (how === 'exit') {
  await startLongJob(null)
  setTimeout(() => process.exit(0), 50)
} else if (how === 'terminate') {
  const worker = new Worker(new URL(import.meta.url), { workerData: 'long' })
  worker.on('error', (error) => {
    throw error
  })
  await new Promise((done) => setTimeout(done, 1000))
  await worker.terminate()
  console.log('terminated')
} else if (how === 'close') {
  const job = await startLongJob(null)
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
