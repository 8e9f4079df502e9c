/** Networks built so that a careless bound proves what exact arithmetic refutes: what casts, sums and flushes lose comes back. */
import { beforeAll, describe, expect, it } from 'vitest'
import { addon } from '../../../bindings/load.js'
import type { ParameterType } from '../../../bindings/native.js'
import { type NodeInput, parseSpec } from '../../../lib/networks/parse.js'
import { allMethods, boundsOf, marginsOf, nodeMethods } from './ask.js'
import { outside, valuesAt } from './exactly.js'
import { named, onNativeSide, type PlainNetwork } from './plain.js'

// As jobs of other tests, where there are more threads than these networks are worth.
beforeAll(() => addon().setThreads(1))

interface Trap {
  network: PlainNetwork
  image: number[]
  epsilon?: number
  /** A point of the box that is not of class 0; default the image. */
  point?: number[]
}

const network = (
  pixels: number,
  nodes: NodeInput[],
  tensors: Record<string, readonly number[]>,
): PlainNetwork => ({
  spec: parseSpec({ name: 'trap', input: [1, 1, pixels], nodes }),
  tensors: new Map(Object.entries(tensors).map(([name, values]) => [name, Float64Array.from(values)])),
})

const point = (name: string, bias = false): NodeInput => ({
  op: 'conv2d',
  name,
  channels: 1,
  kernel: 1,
  bias,
})
const relu = (name: string): NodeInput => ({ op: 'relu', name })
const norm = (name: string): NodeInput => ({ op: 'batchNorm2d', name, epsilon: 1e-5 })
const head: NodeInput[] = [
  { op: 'flatten', name: 'flatten' },
  { op: 'linear', name: 'fc', features: 2 },
]
const statistics = (scale: number, variance: number) => ({
  'norm.weight': [scale],
  'norm.bias': [0],
  'norm.running_mean': [0],
  'norm.running_var': [variance],
})

/** Two pixels times `huge`, `weight` and what batch norm makes of it, and back: the margin of class 0 is −0.49. */
const lost = (huge: number, weight: number, scale: number, variance: number, isFolded = true): Trap => ({
  network: network(
    2,
    [point('up'), point('down'), ...(isFolded ? [] : [relu('between')]), norm('norm'), relu('relu'), ...head],
    {
      'up.weight': [huge],
      'down.weight': [weight],
      ...statistics(scale, variance),
      ...back(0.25 / ((huge * weight * scale) / Math.sqrt(variance))),
    },
  ),
  image: [1, 1],
})
const back = (weight: number) => ({ 'fc.weight': [0, 0, weight, weight], 'fc.bias': [0.01, 0] })

/** A sum that overflows on the way to a result that does not: −, −, +, + in this order. */
const overflowing = (most: number): Trap => ({
  network: network(
    4,
    [
      { op: 'flatten', name: 'flatten' },
      { op: 'linear', name: 'sum', features: 1 },
      relu('relu'),
      { op: 'linear', name: 'fc', features: 2 },
    ],
    {
      'sum.weight': [-0.9375, -0.9375, 0.96875, 0.96875].map((share) => share * most),
      'sum.bias': [0],
      'fc.weight': [0, 8 / most],
      'fc.bias': [0.01, 0],
    },
  ),
  image: [1, 1, 1, 1],
})

/** A range both of whose ends are so large that their sum overflows, read by a neuron that is off. */
const wide = (most: number): Trap => ({
  network: network(1, [point('up'), point('down', true), relu('relu'), ...head], {
    'up.weight': [0.75 * most],
    'down.weight': [2 ** -27],
    'down.bias': [-(2 ** -27) * most],
    'fc.weight': [2 ** 20 / most, 0],
    'fc.bias': [0, 0.49],
  }),
  image: [1],
})

/** Coefficients of a channel whose sum overflows, times a bias so small that the product must not: −∞ · −0 is no proof. */
const summed = (most: number, tiny: number): Trap => ({
  network: network(2, [point('up', true), ...head], {
    'up.weight': [tiny * 4],
    'up.bias': [-tiny],
    'fc.weight': [-0.75 * most, 0, 0, 0.75 * most],
    'fc.bias': [0, 0],
  }),
  image: [1, 1],
})

/** A box so small that its faces are denormal numbers. */
const thin = (epsilon: number, most: number): Trap => ({
  network: network(1, [point('up'), relu('relu'), ...head], {
    'up.weight': [most],
    'fc.weight': [0, 1 / most / epsilon],
    'fc.bias': [0.5, 0],
  }),
  image: [0],
  epsilon,
  point: [epsilon],
})

const p = (exponent: number) => 2 ** exponent
const traps: Record<ParameterType, Record<string, Trap>> = {
  float32: {
    'a folded weight that vanishes': lost(p(100), p(-100), p(-60), 1),
    'a folded weight that is denormal': lost(p(100), 1.3 * p(-100), p(-30), 1),
    'a huge variance': lost(p(100), p(-100), 1, p(120)),
    'a denormal scale': lost(p(100), p(-15), p(-145), 1),
    'batch norm that is not folded': lost(p(100), 1, p(-100), p(120), false),
    'a sum that overflows': overflowing(p(127) * 1.99),
    'a centre that overflows': wide(p(127) * 1.99),
    'a sum of coefficients that overflows': summed(p(127) * 1.99, p(-60)),
    'a box with denormal faces': thin(1e-40, p(120)),
  },
  float64: {
    'a folded weight that vanishes': lost(p(900), p(-600), p(-490), 1),
    'a folded weight that is denormal': lost(p(900), 1.3 * p(-600), p(-430), 1),
    'a huge variance': lost(p(900), p(-600), 1, p(980)),
    'a denormal scale': lost(p(900), p(-20), p(-1070), 1),
    'a scale that vanishes before the weight brings it back': {
      ...lost(1, 1, 1, 1),
      network: network(2, [point('up'), point('down'), norm('norm'), relu('relu'), ...head], {
        'up.weight': [p(900)],
        'down.weight': [p(410)],
        ...statistics(p(-1000), p(1000)),
        ...back(p(188)),
      }),
    },
    'batch norm that is not folded': lost(p(900), 1, p(-600), p(980), false),
    'a sum that overflows': overflowing(p(1023) * 1.99),
    'a centre that overflows': wide(p(1023) * 1.99),
    'a sum of coefficients that overflows': summed(p(1023) * 1.99, p(-500)),
    'a box with denormal faces': thin(1e-320, p(1000)),
  },
}

describe.each(['float32', 'float64'] as const)('%s: nothing false is proved of', (type) => {
  it.each(Object.entries(traps[type]))(
    '%s',
    async (_, { network, image, epsilon = 0.001, point = image }) => {
      const net = await onNativeSide(network, type)
      const exact = await valuesAt(network, type, Float64Array.from(point))
      const { values, error } = named(exact, 'margin0')
      expect(values.every((margin) => margin < -error)).toBe(true)
      const box = { epsilon, clip: false }
      for (const intersect of [false, true]) {
        for (const method of allMethods) {
          const { margins } = await marginsOf(net, Float64Array.from(image), [0], method, {
            ...box,
            intersect,
          })
          expect(
            margins.every((margin) => margin > 0),
            `${method}: ${margins}`,
          ).toBe(false)
        }
        for (const method of nodeMethods)
          for (const { name } of network.spec.nodes) {
            const bounds = await boundsOf(net, Float64Array.from(image), name, method, { ...box, intersect })
            expect(outside(named(exact, name), bounds), `${name} by ${method}`).toEqual([])
          }
      }
      net.dispose()
    },
  )
})
