/** Prune whole filters, make the network physically smaller, and measure what that gains at inference. */
import { allCnn, builtin, compile, compress, describeNetwork, train } from 'coppice'

const quick = process.env.COPPICE_EXAMPLES === 'quick'

const median = (values: Float64Array): number => values.toSorted()[Math.floor(values.length / 2)] ?? 0

const data = await builtin(quick ? { train: 200, test: 50 } : {})
using net = await allCnn({ scale: quick ? 0.1 : 0.5, seed: 1 })
await train(net, data.train, { epochs: quick ? 1 : 5 })
const engine = await compile(net, { batch: 16 })
const before = median(await engine.time(undefined, { runs: 5 }))

await compress(net, data.train, {
  structure: 'filter',
  sparsity: 0.5,
  steps: quick ? 1 : 5,
  epochsPerStep: 1,
})
using small = await net.compact()
const compacted = await compile(small, { batch: 16 })
const after = median(await compacted.time(undefined, { runs: 5 }))

const macs = [net, small].map(({ spec }) => describeNetwork(spec).macs)
console.log(`MACs an image: ${macs.join(' → ')}`)
console.log(
  `a batch of 16: ${[before, after].map((seconds) => `${(1000 * seconds).toFixed(2)} ms`).join(' → ')}`,
)
console.log(compacted.reason)
engine.dispose()
compacted.dispose()
