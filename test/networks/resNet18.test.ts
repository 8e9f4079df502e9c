import { describe, expect, it } from 'vitest'
import { describeNetwork } from '../../lib/networks/describe.js'
import { resNet18Spec } from '../../lib/networks/resNet18.js'
import { bufferTensors, parameterTensors } from '../../lib/networks/tensors.js'
import { channelSpaces } from '../../lib/pruning/channels.js'

const spec = resNet18Spec()

describe('resNet18', () => {
  it('has the tensors of the usual state dict, by their names and in their order', () => {
    const block = (name: string, projects: boolean) => [
      ...['conv1', 'bn1', 'conv2', 'bn2'].map((layer) => `${name}.${layer}`),
      ...(projects ? [`${name}.shortcut.0`, `${name}.shortcut.1`] : []),
    ]
    const layers = [
      ...['conv1', 'bn1'],
      ...[1, 2, 3, 4].flatMap((group) => [
        ...block(`layer${group}.0`, group > 1),
        ...block(`layer${group}.1`, false),
      ]),
      'linear',
    ]
    const tensors = parameterTensors(spec).map(({ name }) => name)
    expect(tensors).toEqual(
      layers.flatMap((name) =>
        /conv|shortcut\.0/.test(name) ? `${name}.weight` : [`${name}.weight`, `${name}.bias`],
      ),
    )
    expect(bufferTensors(spec)).toHaveLength(40)
  })

  it('halves its map three times, to 512 channels of 4×4', () => {
    const shapes = new Map(describeNetwork(spec).nodes.map(({ name, output }) => [name, output]))
    expect(shapes.get('layer1.1.relu2')).toEqual([64, 32, 32])
    expect(shapes.get('layer2.0.relu2')).toEqual([128, 16, 16])
    expect(shapes.get('layer4.1.relu2')).toEqual([512, 4, 4])
    // Widely printed: 0.56 GMACs an image.
    expect(describeNetwork(spec).macs).toBe(555_422_720)
  })

  it('can lose the filters inside its blocks, and keeps those that an addition ties', () => {
    const free = channelSpaces(spec).spaces.filter((space) => !space.fixed && !space.tied)
    expect(free.flatMap(({ producers }) => producers)).toEqual(
      [1, 2, 3, 4].flatMap((group) => [`layer${group}.0.conv1`, `layer${group}.1.conv1`]),
    )
  })

  it('needs square images whose side is a multiple of 8', () => {
    expect(() => resNet18Spec({ input: [3, 28, 28] })).toThrow('resNet18.input: needs square images')
    expect(resNet18Spec({ input: [3, 64, 64], classes: 100, scale: 0.25 }).nodes.at(-1)).toMatchObject({
      features: 100,
    })
  })
})
