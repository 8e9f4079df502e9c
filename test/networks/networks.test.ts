import { describe, expect, it } from 'vitest'
import { describeNetwork } from '../../lib/networks/describe.js'
import { networkNames, networkSpec } from '../../lib/networks/index.js'
import { parseSpec } from '../../lib/networks/parse.js'
import { classCount } from '../../lib/networks/shapes.js'
import { elements } from '../../lib/networks/tensors.js'
import { defaultOptimiser } from '../../lib/training/defaults.js'

const count = (name: string, options = {}) => describeNetwork(networkSpec(name, options))

const relus = (name: string): number =>
  count(name)
    .nodes.filter((node) => node.op === 'relu')
    .reduce((sum, node) => sum + elements(node.output), 0)

const convolutionMacs = (name: string): number =>
  count(name)
    .nodes.filter((node) => node.op === 'conv2d')
    .reduce((sum, node) => sum + node.macs, 0)

describe('the networks of the paper', () => {
  it.each([
    ['vgg16', 15_311_818],
    ['wideResNet-28-5', 9_132_634],
    ['wideResNet-28-10', 36_479_194],
    ['wideResNet-28-4', 5_849_050],
    ['cifarLarge', 2_466_858],
    ['allCnn', 1_369_738],
    ['resNet18', 11_173_962],
  ])('%s has %i parameters', (name, parameters) => {
    expect(count(name).parameters).toBe(parameters)
  })

  it.each([
    ['vgg16', 15_302_848],
    ['wideResNet-28-5', 9_123_632],
    ['cifarLarge', 2_465_632],
  ])('%s has %i convolution and linear weights', (name, weights) => {
    expect(count(name).prunable).toBe(weights)
  })

  it('cifarLarge takes 16.36 million MACs and has 62,464 ReLUs', () => {
    expect(count('cifarLarge').macs).toBe(16_356_352)
    expect(relus('cifarLarge')).toBe(62_464)
  })

  it('allCnn has the 356 thousand hidden ReLUs of All-CNN-C', () => {
    expect(relus('allCnn')).toBe(356_352)
  })

  it('convolutions take 313.2 million MACs in vgg16 and 1317.7 million in wideResNet-28-5', () => {
    expect(convolutionMacs('vgg16') / 1e6).toBeCloseTo(313.2, 1)
    expect(convolutionMacs('wideResNet-28-5') / 1e6).toBeCloseTo(1317.7, 1)
  })
})

describe('every network', () => {
  it.each(networkNames)('%s is a spec that survives JSON and parses to itself', (name) => {
    const spec = networkSpec(name)
    expect(parseSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec)
    expect(spec.name).toBe(name)
  })

  it.each(networkNames)('%s starts with CIFAR-10 normalisation unless told otherwise', (name) => {
    expect(networkSpec(name).nodes[0]).toMatchObject({ op: 'normalize', mean: [0.4914, 0.4822, 0.4465] })
    expect(networkSpec(name, { normalize: false }).nodes[0]?.op).not.toBe('normalize')
  })

  it.each(networkNames)('%s takes any number of classes', (name) => {
    expect(classCount(networkSpec(name, { classes: 7 }))).toBe(7)
  })

  it.each(networkNames)(
    '%s at a quarter of the width has a quarter of every hidden width, and all logits',
    (name) => {
      const widths = (scale: number) =>
        networkSpec(name, { scale }).nodes.flatMap((node) =>
          node.op === 'conv2d' ? [node.channels] : node.op === 'linear' ? [node.features] : [],
        )
      const hidden = widths(1).slice(0, -1)
      expect(widths(0.25)).toEqual([...hidden.map((width) => Math.round(width / 4)), 10])
    },
  )

  it.each(networkNames)('%s keeps at least one channel at any scale', (name) => {
    const { nodes } = networkSpec(name, { scale: 0.001 })
    const widths = nodes.flatMap((node) => (node.op === 'conv2d' ? [node.channels] : []))
    expect(Math.min(...widths)).toBeGreaterThanOrEqual(1)
    expect(classCount(networkSpec(name, { scale: 0.001 }))).toBe(10)
  })
})

describe('scale', () => {
  it('rounds every hidden width, linear layers included', () => {
    const widths = networkSpec('cifarLarge', { scale: 0.3 }).nodes.flatMap((node) => {
      if (node.op === 'conv2d') return [node.channels]
      return node.op === 'linear' ? [node.features] : []
    })
    expect(widths).toEqual([10, 10, 19, 19, 154, 154, 10])
  })
})

describe('vgg16', () => {
  it('averages larger maps down to 2×2 before the linear layers', () => {
    const description = count('vgg16', { input: [3, 64, 64] })
    expect(description.nodes.find((node) => node.op === 'averagePool2d')?.output).toEqual([512, 2, 2])
    expect(description.parameters).toBe(15_311_818)
  })

  it('refuses images that four poolings do not divide', () => {
    expect(() => networkSpec('vgg16', { input: [3, 28, 28] })).toThrow(/vgg16.*multiple of 32.*28×28/)
  })
})

describe('wideResNet', () => {
  it('refuses a depth that is not 6 n + 4', () => {
    expect(() => networkSpec('wideResNet-27-5')).toThrow(/depth must be 6 n \+ 4/)
  })

  it('projects with a 1×1 convolution exactly where the width changes', () => {
    const shortcuts = networkSpec('wideResNet-28-5').nodes.filter((node) => node.name.endsWith('.shortcut'))
    expect(shortcuts.map((node) => node.name)).toEqual([
      'block1.1.shortcut',
      'block2.1.shortcut',
      'block3.1.shortcut',
    ])
    expect(shortcuts.map((node) => node.inputs)).toEqual([
      ['block1.1.relu1'],
      ['block2.1.relu1'],
      ['block3.1.relu1'],
    ])
  })
})

describe('names and options', () => {
  it('an unknown network suggests the nearest', () => {
    expect(() => networkSpec('vgg61')).toThrow(/unknown network "vgg61"; .*did you mean "vgg16"\?/)
    expect(() => networkSpec('toString')).toThrow(/unknown network/)
  })

  it('an unknown option suggests the nearest', () => {
    const options = { scael: 0.5 } as object
    expect(() => networkSpec('vgg16', options)).toThrow(/vgg16: unknown key "scael"; did you mean "scale"\?/)
  })

  it('a normalisation for another number of channels is refused', () => {
    expect(() => networkSpec('cifarLarge', { input: [1, 32, 32] })).toThrow(/cifarLarge\.normalize/)
  })

  it('networks with batch norm default to SGD 0.1, those without to Adam 0.001', () => {
    expect(defaultOptimiser('vgg16')).toMatchObject({
      optimiser: { kind: 'sgd', momentum: 0.9 },
      learningRate: 0.1,
    })
    expect(defaultOptimiser('cifarLarge')).toMatchObject({ optimiser: { kind: 'adam' }, learningRate: 0.001 })
    expect(defaultOptimiser(networkSpec('allCnn')).optimiser.kind).toBe('adam')
  })
})
