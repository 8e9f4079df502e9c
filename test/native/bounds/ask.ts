/** Bounds and margins from the native side, with what tests seldom change filled in. */
import { addon } from '../../../bindings/load.js'
import type { BoundMethod, NativeBounds, NativeNetwork } from '../../../bindings/native.js'
import { inType } from './plain.js'
import type { Box } from './randomNetworks.js'

export type Changes = Partial<NativeBounds> & { sound?: boolean }

const settings = (method: BoundMethod, changes: Changes) => ({
  method,
  intersect: false,
  epsilon: 0.05,
  clip: true,
  memory: 2 ** 26,
  iterations: 5,
  sound: true,
  ...changes,
})

/** Bounds of one node, for one image or several. */
export const boundsOf = async (
  net: NativeNetwork,
  images: Float64Array,
  node: string,
  method: BoundMethod,
  changes: Changes = {},
): Promise<Box> => {
  const options = { ...settings(method, changes), node }
  const { lower, upper } = await addon().bounds(net, inType(images, net.type), options).promise
  return { lower: Float64Array.from(lower), upper: Float64Array.from(upper) }
}

/** Margins of one image or several, image after image. */
export const marginsOf = async (
  net: NativeNetwork,
  images: Float64Array,
  labels: readonly number[],
  method: BoundMethod,
  changes: Changes = {},
): Promise<{ margins: Float64Array; unstable: number }> => {
  const batch = { images: inType(images, net.type), labels: Int32Array.from(labels) }
  const { margins, unstable } = await addon().margins(net, batch, settings(method, changes)).promise
  return { margins: Float64Array.from(margins), unstable }
}

export const backwardMethods = ['crownIbp', 'symbolic', 'crown'] as const
export const nodeMethods = ['interval', ...backwardMethods] as const
export const allMethods = [...nodeMethods, 'alphaCrown'] as const
