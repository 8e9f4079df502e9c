/** The finding of the paper on a small scale: fine-tuning for accuracy alone loses the robustness; the objective keeps it. */
import {
  adversarial,
  allCnn,
  builtin,
  compress,
  evaluate,
  Network,
  natural,
  type Objective,
  train,
} from 'coppice'

const quick = process.env.COPPICE_EXAMPLES === 'quick'

const data = await builtin(quick ? { train: 200, test: 50 } : {})
using dense = await allCnn({ scale: quick ? 0.1 : 0.5, seed: 1 })
const robust = adversarial({ epsilon: 4 / 255, stepSize: 2 / 255, steps: quick ? 1 : 5 })
await train(dense, data.train, { objective: robust, epochs: quick ? 1 : 15 })
console.log('dense    ', await evaluate(dense, data.test, { robust }))

const prune = async (name: string, objective: Objective): Promise<void> => {
  using net = await Network.from(await dense.read())
  const onWarning = (message: string) => console.log(name, message)
  await compress(net, data.train, {
    ...{ objective, onWarning, sparsity: 0.75 },
    ...(quick ? { steps: 1, epochsPerStep: 1 } : { steps: 8, epochsPerStep: 2 }),
  })
  console.log(name, await evaluate(net, data.test, { robust }))
}
await prune('matched  ', robust)
await prune('naturally', natural())
