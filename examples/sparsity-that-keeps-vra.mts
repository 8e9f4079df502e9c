/** Find the largest sparsity that keeps 95 % of the verified robust accuracy (VRA) of the dense network. */
import { builtin, cifarLarge, compress, evaluate, ibp, type Network, train } from 'coppice'

const quick = process.env.COPPICE_EXAMPLES === 'quick'

const data = await builtin(quick ? { train: 128, test: 40 } : { train: 2000, test: 300 })
using net = await cifarLarge({ scale: quick ? 0.06 : 0.25, seed: 1 })
const robust = ibp({ epsilon: 1 / 255 })
await train(net, data.train, { objective: robust, epochs: quick ? 1 : 30, onWarning: console.log })

const vraOf = async (network: Network): Promise<number> => {
  const { vra } = await evaluate(network, data.test, { robust, verifier: 'interval' })
  return vra?.value ?? 0
}
const wanted = 0.95 * (await vraOf(net))
console.log(`wanted: ${wanted.toFixed(1)} %`)

// Each step goes on from the one before, so the network is pruned once, and judged at every step.
let kept = 0
const steps = compress(net, data.train, { sparsity: 0.95, steps: quick ? 2 : 12, epochsPerStep: 1 })
for await (const { sparsity } of steps) {
  const vra = await vraOf(net)
  console.log(`${(100 * sparsity).toFixed(1)} % pruned: VRA ${vra.toFixed(1)} %`)
  if (vra < wanted) break
  kept = sparsity
}
console.log(`${(100 * kept).toFixed(1)} % of the weights can go`)
