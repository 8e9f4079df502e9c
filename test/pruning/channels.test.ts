import { describe, expect, it } from 'vitest'
import { channelSpaces } from '../../lib/pruning/channels.js'
import {
  add,
  bn,
  conv,
  flatten,
  linear,
  network,
  postActivation,
  relu,
  residual,
  vggLike,
} from './networks.js'

describe('channelSpaces', () => {
  it('keeps channels together through batch norm, ReLU, pooling and flatten', () => {
    const { of, run } = channelSpaces(vggLike([4, 6, 8], 7))
    expect(of('conv3').members).toEqual(['conv3', 'relu3', 'pool2', 'flatten'])
    expect(of('conv3').readers).toEqual([{ node: 'fc1', input: 'flatten' }])
    expect(of('conv1').batchNorms).toEqual(['bn1'])
    expect(run('flatten')).toBe(1)
    expect(channelSpaces(network([conv('a', 4), flatten(), linear('fc', 2)])).run('flatten')).toBe(64)
  })

  it('fixes the channels of the image and of the logits', () => {
    const { of } = channelSpaces(vggLike([4, 6, 8], 7))
    expect(of('image').fixed).toBe(true)
    expect(of('normalize')).toBe(of('image'))
    expect(of('fc2').fixed).toBe(true)
    expect(of('fc1').fixed).toBe(false)
    const convolutional = channelSpaces(
      network([
        conv('a', 4),
        conv('b', 10),
        { op: 'averagePool2d', name: 'p', inputs: [], kernel: 8, stride: 8 },
        flatten(),
      ]),
    )
    expect(convolutional.of('b').fixed).toBe(true)
    expect(convolutional.of('a').fixed).toBe(false)
  })

  it('ties what a residual network adds, and leaves the inside of its blocks free', () => {
    const { of, spaces } = channelSpaces(residual(4, 8, 3))
    expect(of('stem')).toBe(of('a.conv2'))
    expect(of('stem').tied).toBe(true)
    expect(of('stem').batchNorms).toEqual(['a.bn1', 'b.bn1'])
    expect(of('b.conv2')).toBe(of('b.shortcut'))
    expect(of('b.conv2')).not.toBe(of('stem'))
    expect(of('a.conv1')).toMatchObject({ tied: false, batchNorms: ['a.bn2'], producers: ['a.conv1'] })
    expect(spaces.length).toBe(6)
    expect(channelSpaces(postActivation(4)).of('sum').producers).toEqual(['left', 'right'])
  })

  it.each([
    ['fa', 'b'],
    ['b', 'fa'],
  ])('ties whatever overlaps where a vector is added to a flattened map: %s + %s', (...inputs) => {
    const { of, run } = channelSpaces(
      network(
        [
          conv('a', 6, { inputs: ['image'] }),
          flatten('fa'),
          linear('b', 24, { inputs: ['fa'] }),
          add('sum', inputs),
          relu('relu'),
          linear('fc', 3),
        ],
        [2, 2, 2],
      ),
    )
    expect(of('b')).toBe(of('a'))
    expect(of('a').channels).toBe(6)
    expect([run('a'), run('fa'), run('b')]).toEqual([1, 4, 4])
  })

  it('counts no channel twice when branches meet more than once', () => {
    const { of } = channelSpaces(
      network([
        conv('a', 4, { inputs: ['image'] }),
        bn('bn', ['a']),
        add('once', ['a', 'bn']),
        add('twice', ['once', 'a']),
        flatten(),
        linear('fc', 2),
      ]),
    )
    expect(of('twice')).toMatchObject({ channels: 4, producers: ['a'], tied: true })
  })
})
