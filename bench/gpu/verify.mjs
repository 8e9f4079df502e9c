// Stage verify: images a second of every verifier by bounds, on CIFAR-large after a short robust training.

import { boundMethodNames } from '../../dist/bindings/boundMethods.js'
import { addon } from '../../dist/bindings/load.js'
import { adversarial, builtin, cifar10, train, verify } from '../../dist/lib/index.js'
import { Network } from '../../dist/lib/models/network.js'
import { networkSpec } from '../../dist/lib/networks/index.js'

const EPSILON = 2 / 255

export default async ({ results, device, tiny, data, threads }) => {
  addon().setThreads(threads)
  const given = data !== undefined && !tiny
  const drawn = { train: tiny ? 200 : 6000, test: tiny ? 20 : 1000 }
  const splits = given ? await cifar10(data, { device }) : await builtin({ ...drawn, device, validation: 0 })
  const network = await Network.create(networkSpec('cifarLarge', { scale: tiny ? 0.125 : 1 }), {
    device,
    seed: 1,
  })
  const objective = adversarial({ epsilon: EPSILON, stepSize: EPSILON / 2, steps: 3 })
  const training = { objective, epochs: tiny ? 1 : 2, learningRate: 0.001, optimiser: 'adam', seed: 1 }
  // Not a row: its weights are not kept, so that it has to be done again.
  await train(network, splits.train, training)
  for (const kind of boundMethodNames)
    await results.row(kind, async () => {
      const timed = async (images) => {
        const started = performance.now()
        const found = await verify(network, splits.test, { verifier: { kind }, epsilon: EPSILON, images })
        return { ...found, seconds: (performance.now() - started) / 1000 }
      }
      // As many as fit a quarter of a minute, from a few on.
      let images = tiny ? 20 : 8
      let found = await timed(images)
      while (!tiny && images < splits.test.length && found.seconds < 15 && results.left() > 60) {
        const more = Math.max(2, Math.min(8, 20 / Math.max(found.seconds, 1e-3)))
        images = Math.min(splits.test.length, Math.ceil(images * more))
        found = await timed(images)
      }
      const { n, vra, unstable, seconds } = found
      const perSecond = n / seconds
      return { method: kind, n, seconds, perSecond, minutesFor10000: 10_000 / perSecond / 60, vra, unstable }
    })
  network.dispose()
}
