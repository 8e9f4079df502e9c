// How well `predictSpeedup` foretells: node bench/sparse/predict.mjs --network NAME [--model DENSE.safetensors]
//   [--structures unstructured,v32x2,filter] [--sparsities 0.8,0.9,0.95] [--batch 64] [--dtype fp32] [--threads 2]
// For each structure and sparsity: the prediction (calibrated on random masks of random weights), then a measurement of
// that network (or the model given) pruned by magnitude, scope layer; on both sides the fastest of all
// runs counts, at least 21 (15 in the prediction). One JSON line each on stdout.
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { compile, loadNetwork, Network, predictSpeedup, pruneMask } from '../../dist/lib/index.js'

const { values: options } = parseArgs({
  options: {
    network: { type: 'string' },
    model: { type: 'string' },
    structures: { type: 'string', default: 'unstructured,v32x2,filter' },
    sparsities: { type: 'string', default: '0.8,0.9,0.95' },
    batch: { type: 'string', default: '64' },
    dtype: { type: 'string', default: 'fp32' },
    threads: { type: 'string', default: String(cpus().length) },
  },
})
const settings = {
  batch: Number(options.batch),
  dtype: options.dtype,
  threads: Number(options.threads),
}

async function measured(network, candidates) {
  const engine = await compile(network, { ...settings, candidates })
  const runs = Math.min(200, Math.max(21, Math.ceil(0.1 / engine.chosen.seconds)))
  const seconds = Math.min(...(await engine.time(undefined, { warmup: 2, runs })))
  engine.dispose()
  return { seconds, program: engine.chosen.name }
}

const open = () =>
  options.model === undefined ? Network.create(options.network, { seed: 7 }) : loadNetwork(options.model)
const whole = await open()
const dense = await measured(whole, 'dense')
const { spec, layout, parameters } = await whole.read()

for (const structure of options.structures.split(','))
  for (const sparsity of options.sparsities.split(',').map(Number)) {
    const { mask } = await pruneMask({ spec, layout, parameters, structure, sparsity })
    const state = { ...(await whole.read()), mask }
    let network = await Network.from(state)
    if (structure === 'filter') network = await network.compact()
    const predicted = await predictSpeedup(whole, { structure, sparsity, ...settings })
    const pruned = await measured(network, structure === 'filter' ? 'all' : 'sparse')
    network.dispose()
    const speedup = dense.seconds / Math.min(dense.seconds, pruned.seconds)
    console.log(
      JSON.stringify({
        ...{ network: options.network, structure, sparsity, ...settings },
        predicted: { dense: predicted.denseSeconds, seconds: predicted.seconds, speedup: predicted.speedup },
        measured: { dense: dense.seconds, seconds: pruned.seconds, speedup, program: pruned.program },
        error: predicted.speedup / speedup - 1,
        calibration: predicted.calibration,
      }),
    )
  }
