/** Train a small network, prune it in steps, and see what that costs. Run it with: node examples/prune-and-see.mts (Node 24) */
import { adversarial, allCnn, builtin, compress, evaluate, train } from 'coppice'

/** Tests run every example with smaller settings. */
const quick = process.env.COPPICE_EXAMPLES === 'quick'

const data = await builtin(quick ? { train: 200, test: 50 } : {})
using net = await allCnn({ scale: quick ? 0.1 : 0.5, seed: 1 })
const robust = adversarial({ epsilon: 4 / 255, stepSize: 2 / 255, steps: quick ? 1 : 5 })

for await (const epoch of train(net, data.train, { objective: robust, epochs: quick ? 1 : 10 }))
  console.log(epoch)
console.log('dense ', await evaluate(net, data.test, { robust }))

const steps = compress(net, data.train, { sparsity: 0.9, steps: quick ? 2 : 10, epochsPerStep: 1 })
for await (const step of steps) console.log(step)
console.log('pruned', await evaluate(net, data.test, { robust }))
console.log(await net.mask())
