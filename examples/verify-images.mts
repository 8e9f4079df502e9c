/** Prove, image by image, that no change within ε makes a network wrong; go from cheap to dear proofs. */
import { builtin, cifarLarge, crownIbp, train, type Verdict, verify } from 'coppice'

const quick = process.env.COPPICE_EXAMPLES === 'quick'

const data = await builtin(quick ? { train: 128, test: 20 } : { train: 2000, test: 100 })
using net = await cifarLarge({ scale: quick ? 0.06 : 0.25, seed: 1 })
const epsilon = 1 / 255
await train(net, data.train, {
  objective: crownIbp({ epsilon }),
  epochs: quick ? 1 : 20,
  onWarning: console.log,
})

for (const verifier of ['interval', 'crownIbp', 'cascade'] as const) {
  const counts = new Map<Verdict, number>()
  const job = verify(net, data.test, { epsilon, verifier })
  for await (const { verdict } of job) counts.set(verdict, (counts.get(verdict) ?? 0) + 1)
  console.log(verifier, Object.fromEntries(counts))
  console.log(await job)
}
