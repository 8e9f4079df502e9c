/** A dense network of fewer multiply-accumulates: every hidden width times one factor. What pruning has to beat. */
import { describeNetwork } from './describe.js'
import { factsOf, withOutputs } from './operations.js'
import type { NetworkSpec } from './spec.js'

/** Widths from here on are multiples of 8, as dense kernels like them. */
const ROUNDED_FROM = 16

/** The network whose widths are `factor` times those of `spec`; images and logits stay as they are. */
const scaled = (spec: NetworkSpec, factor: number): NetworkSpec => {
  const last = spec.nodes.findLast((node) => factsOf(node).channels === 'mixed')?.name
  const width = (full: number): number => {
    const exact = full * factor
    return exact < ROUNDED_FROM ? Math.max(1, Math.round(exact)) : 8 * Math.round(exact / 8)
  }
  const nodes = spec.nodes.map((node) => (node.name === last ? node : withOutputs(node, width)))
  return { ...spec, name: `${spec.name}, narrower`, nodes }
}

/**
 * The narrower network whose multiply-accumulates come nearest to `macs`; undefined where widths cannot be scaled alike,
 * because the image itself is added to something.
 */
export const narrowerNetwork = (spec: NetworkSpec, macs: number): NetworkSpec | undefined => {
  try {
    let [low, high] = [0, 1]
    let best = spec
    const distance = (candidate: NetworkSpec) => Math.abs(Math.log(describeNetwork(candidate).macs / macs))
    for (let step = 0; step < 24; step++) {
      const middle = (low + high) / 2
      const candidate = scaled(spec, middle)
      if (distance(candidate) < distance(best)) best = candidate
      if (describeNetwork(candidate).macs > macs) high = middle
      else low = middle
    }
    return best
  } catch {
    return undefined
  }
}
