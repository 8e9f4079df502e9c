/** A pruning rule of your own: read the weights of each layer, choose, set the mask, fine-tune under it. */
import { allCnn, builtin, evaluate, train } from 'coppice'

const quick = process.env.COPPICE_EXAMPLES === 'quick'

const data = await builtin(quick ? { train: 200, test: 50 } : {})
using net = await allCnn({ scale: quick ? 0.1 : 0.5, seed: 1 })
await train(net, data.train, { epochs: quick ? 1 : 5 })

// Keeps a weight if it is larger than the deviation of its layer; the first and the last layer stay as they are.
for (const { name } of net.layers.slice(1, -1)) {
  const { data: weights } = await net.weights(name)
  const deviation = Math.sqrt([...weights].reduce((sum, weight) => sum + weight ** 2, 0) / weights.length)
  await net.setMask(
    name,
    Uint8Array.from(weights, (weight) => (Math.abs(weight) > deviation ? 1 : 0)),
  )
}
console.log(net)
await train(net, data.train, { epochs: quick ? 1 : 5 })
console.log(await evaluate(net, data.test))
console.log('pruned weights are zero still:', await net.sparsity())
