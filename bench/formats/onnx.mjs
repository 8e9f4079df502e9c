// Exported networks in onnxruntime: the same logits and predictions as here, on real images, for every network by name.
// usage: onnx.mjs --data cifar-10-batches-bin --python PYTHON [--images 1000] [--networks vgg16,resNet18]
// PYTHON has onnx and onnxruntime. Each network is trained for a few steps, so that its statistics and logits are those
// of images, then exported dense, pruned by 90 %, and with half of its filters gone; batch norm kept and folded.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cifar10, exportOnnx, Network, networkNames, pruneMask, train } from '../../dist/lib/index.js'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    images: { type: 'string', default: '1000' },
    networks: { type: 'string', default: networkNames.join() },
    training: { type: 'string', default: '640' },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'coppice-onnx-'))
const file = (name) => join(folder, name)
const { train: training, test } = await cifar10(options.data)
const images = test.take(Number(options.images))
const pixels = images.pixels()
writeFileSync(file('images'), pixels)

const BATCH = 50
const size = pixels.length / images.length

async function logitsHere(network) {
  const logits = []
  for (let at = 0; at < pixels.length; at += BATCH * size)
    logits.push(...(await network.logits(pixels.slice(at, at + BATCH * size))))
  return logits
}

function logitsThere(model) {
  const script = join(import.meta.dirname, 'logits.py')
  execFileSync(options.python, [script, model, file('images'), images.shape.join(), file('logits')])
  const bytes = readFileSync(file('logits'))
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

const largest = (logits, from, classes) => {
  let best = 0
  for (let c = 1; c < classes; c++) if (logits[from + c] > logits[from + best]) best = c
  return best
}

async function pruned(network, structure, sparsity) {
  const state = await network.read()
  const { mask } = await pruneMask({ ...state, structure, sparsity })
  return Network.from({ ...state, mask })
}

async function variants(network) {
  const filters = await pruned(network, 'filter', 0.5)
  return {
    dense: network,
    'pruned 90 %': await pruned(network, 'unstructured', 0.9),
    'half the filters': await filters.compact(),
  }
}

console.log(
  '| network | | batch norm | MB | largest difference of logits | largest logit | same predictions |',
)
console.log('|---|---|---|---|---|---|---|')
let failed = false
for (const name of options.networks.split(',')) {
  const network = await Network.create(name, { seed: 1 })
  await train(network, training.take(Number(options.training)), { epochs: 1, batchSize: 16 })
  for (const [what, variant] of Object.entries(await variants(network))) {
    const here = await logitsHere(variant)
    for (const batchNorm of ['kept', 'folded']) {
      const model = file('model.onnx')
      await exportOnnx(variant, model, { batchNorm })
      const there = logitsThere(model)
      let [difference, magnitude, same] = [0, 0, 0]
      here.forEach((logit, place) => {
        difference = Math.max(difference, Math.abs(logit - there[place]))
        magnitude = Math.max(magnitude, Math.abs(logit))
      })
      for (let at = 0; at < here.length; at += variant.classes)
        same += largest(here, at, variant.classes) === largest(there, at, variant.classes) ? 1 : 0
      failed ||= !(difference <= 1e-4) || same < images.length || here.length !== there.length
      const figures = [
        (statSync(model).size / 1e6).toFixed(1),
        difference.toExponential(1),
        magnitude.toFixed(1),
      ]
      console.log(
        `| ${name} | ${what} | ${batchNorm} | ${figures.join(' | ')} | ${same} of ${images.length} |`,
      )
      rmSync(model)
    }
  }
  network.dispose()
}
rmSync(folder, { recursive: true })
process.exitCode = failed ? 1 : 0
