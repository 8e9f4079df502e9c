// One trial of Coppice's side: lower bounds of the margins.
// usage: coppice.mjs REQUEST   (JSON, as run.mjs makes it; prints one line of JSON; fields as in lirpa.py)
// The timed passes give sound bounds, as a verdict needs them; the margins to compare are those without the widening.
import { readFileSync } from 'node:fs'
import { addon } from '../../dist/bindings/load.js'
import { readSafetensors } from '../../dist/lib/files/safetensors.js'
import { loadNetwork } from '../../dist/lib/models/network.js'

const request = JSON.parse(process.argv[2])
const { count, batch, method, epsilon, threads, device, memory } = request
const native = addon()
native.setThreads(threads)
const net = await loadNetwork(request.model, { device })
const { tensors } = await readSafetensors(request.images)
const pixels = tensors.get('images').data
const labels = tensors.get('labels').data
const size = pixels.length / labels.length
if (labels.length < count) throw new Error(`${labels.length} images where ${count} are asked for`)

async function pass(sound) {
  const found = []
  let unstable = 0
  let macs = 0
  const started = performance.now()
  for (let start = 0; start < count; start += batch) {
    const end = Math.min(count, start + batch)
    const images = pixels.slice(start * size, end * size)
    const options = { method, epsilon, memory, sound, intersect: false, clip: true, iterations: 0 }
    const job = native.margins(net.handle, { images, labels: labels.slice(start, end) }, options)
    const result = await job.promise
    found.push(...result.margins)
    unstable += (result.unstable * (end - start)) / count
    macs += result.macs / count
  }
  return { milliseconds: (performance.now() - started) / count, margins: found, unstable, macs }
}

const status = (key) =>
  1024 * Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))[1])

const baselineBytes = device === 'cpu' ? status('VmRSS') : 0
const plain = await pass(false)
const milliseconds = []
for (let i = 0; i < request.repeats; ++i) milliseconds.push((await pass(true)).milliseconds)
const peakBytes = device === 'cpu' ? process.resourceUsage().maxRSS * 1024 : native.memory(device).peak
const { margins, unstable, macs } = plain
console.log(
  JSON.stringify({
    milliseconds,
    peakBytes,
    baselineBytes,
    margins,
    unstable,
    macs,
    torch: native.info().builtAgainst,
  }),
)
