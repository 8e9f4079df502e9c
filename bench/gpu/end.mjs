// A process that ends while a job trains: node end.mjs DEVICE. Whoever started it sees how.
import { addon } from '../../dist/bindings/load.js'
import { startTraining } from './steps.mjs'

const { job } = await startTraining(process.argv[2], 100_000)
job.promise.catch(() => {})
setTimeout(() => {
  console.log(JSON.stringify({ devices: addon().info().cudaDevices.length }))
  process.exit(0)
}, 1500)
