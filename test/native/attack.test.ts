import { expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import type { NativeAttack } from '../../bindings/native.js'
import { attack, dataset, images, network, request } from './helpers.js'

const native = addon()
const batch = (n: number) => ({
  images: Float32Array.from(images(n), (byte) => byte / 255),
  labels: Int32Array.from({ length: n }, (_, i) => i % 10),
})
const options = { start: null, folded: true, precision: 'fp32', seed: 3 } as const

it('adversarial examples stay in the ε-box and in [0,1], and raise the loss', async () => {
  const net = await network()
  const given = batch(20)
  const still = { ...attack, epsilon: 0, stepSize: 0, start: 'none' as const }
  const clean = await native.attack(net, given, { ...options, attack: still }).promise
  const found = await native.attack(net, given, { ...options, attack }).promise
  expect(Array.from(clean.images)).toEqual(Array.from(given.images))
  found.images.forEach((pixel, i) => {
    expect(Math.abs(pixel - Number(given.images[i]))).toBeLessThanOrEqual(attack.epsilon + 1e-6)
    expect(pixel).toBeGreaterThanOrEqual(0)
    expect(pixel).toBeLessThanOrEqual(1)
  })
  found.losses.forEach((loss, i) => void expect(loss).toBeGreaterThan(Number(clean.losses[i])))
})

it('more restarts never make the attack weaker on any image', async () => {
  const net = await network()
  const given = batch(20)
  const one = await native.attack(net, given, { ...options, attack }).promise
  const five = await native.attack(net, given, { ...options, attack: { ...attack, restarts: 5 } }).promise
  const broken = (result: typeof one, i: number) => result.predictions[i] !== given.labels[i]
  for (let i = 0; i < 20; ++i) {
    if (broken(one, i)) expect(broken(five, i)).toBe(true)
    else if (!broken(five, i)) expect(five.losses[i]).toBeGreaterThanOrEqual(Number(one.losses[i]))
  }
})

it('what is found for an image does not depend on its place in the batch', async () => {
  const net = await network()
  const data = await dataset()
  const evaluate = (indices: number[], batchSize: number) =>
    native.evaluate(
      net,
      data,
      {
        indices: Uint32Array.from(indices),
        batchSize,
        precision: 'fp32',
        attack: { ...attack, restarts: 2 },
        seed: 5,
      },
      null,
    ).promise
  const order = Array.from({ length: 64 }, (_, i) => i)
  const forward = await evaluate(order, 64)
  const backward = await evaluate(order.toReversed(), 16)
  expect(Array.from(backward.predictions).reverse()).toEqual(Array.from(forward.predictions))
  const losses = Array.from(backward.adversarialLosses ?? []).reverse()
  losses.forEach((loss, i) => void expect(loss).toBeCloseTo(Number(forward.adversarialLosses?.[i]), 3))
})

it('folding batch norm into the convolutions leaves the function as it is', async () => {
  const net = await network(1, 'float64')
  const data = await dataset()
  await native.train(net, data, request({ kind: 'natural' }, 5, { precision: 'fp64' }), null).promise
  const given = { ...batch(8), images: Float64Array.from(batch(8).images) }
  const run = (folded: boolean) =>
    native.attack(net, given, { ...options, attack, folded, precision: 'fp64' }).promise
  const [folded, plain] = [await run(true), await run(false)]
  folded.losses.forEach((loss, i) => void expect(loss).toBeCloseTo(Number(plain.losses[i]), 8))
})

it('names the kinds that there are, and what of a kind is missing', async () => {
  const net = await network()
  const run = (wrong: NativeAttack) => () => native.attack(net, batch(2), { ...options, attack: wrong })
  const { steps: _, ...stepless } = attack
  expect(run({ ...attack, kind: 'fgsm' })).toThrow(/options\.attack\.kind must be pgd\b.*, got 'fgsm'/)
  expect(run(stepless)).toThrow(/options\.attack\.steps must be an integer .* got nothing/)
  expect(run({ ...attack, start: 'corner' })).toThrow(
    "options.attack.start must be uniform, gaussian or none, got 'corner'",
  )
})
