/**
 * A network's values at one image in real arithmetic, enclosed: in fixed point of any number of bits, with a bound of
 * the error at every node. Slow, and needed only where float64 cannot tell.
 */
import { invalid } from '../base/errors.js'
import { inputShapes, nodeShapes } from '../networks/shapes.js'
import { IMAGE, type NetworkSpec, type NodeSpec } from '../networks/spec.js'
import { apply, type Fixed, fixed } from './fixedPoint.js'

/** Numbers that no arithmetic has rounded yet. */
export interface ExactNetwork {
  spec: NetworkSpec
  /** `normalize` has constants of this type. */
  type: 'float32' | 'float64'
  tensors: ReadonlyMap<string, ArrayLike<number>>
}

/** The values of every node, and of the image. `bits` after the point. Lets other work of the event loop go on. */
export const exactValues = async (
  network: ExactNetwork,
  pixels: ArrayLike<number>,
  bits: number,
): Promise<Map<string, Fixed>> => {
  const shapes = nodeShapes(network.spec).set(IMAGE, [...network.spec.input])
  const values = new Map([[IMAGE, fixed(pixels, bits)]])
  for (const node of network.spec.nodes) {
    const inputs = node.inputs.map((input) => known(values, input))
    await new Promise((resolve) => setImmediate(resolve))
    values.set(node.name, apply(numbered(network, node), inputShapes(node, shapes)[0] ?? [], inputs))
  }
  return values
}

/**
 * Whether the logit of the label is greater than every other, in real arithmetic; undefined where thousands of bits do
 * not tell.
 */
export const isRightExactly = async (
  network: ExactNetwork,
  pixels: ArrayLike<number>,
  label: number,
): Promise<boolean | undefined> => {
  const last = network.spec.nodes.at(-1)?.name ?? IMAGE
  for (const bits of [128, 512, 2048, 8192]) {
    const { values, error } = known(await exactValues(network, pixels, bits), last)
    const own = values[label] ?? 0n
    const margins = values.filter((_, other) => other !== label).map((other) => own - other)
    if (margins.every((margin) => margin > 2n * error)) return true
    if (margins.some((margin) => margin <= -2n * error)) return false
  }
  return undefined
}

/** A node's numbers beside the node. */
const numbered = ({ tensors, type }: ExactNetwork, node: NodeSpec) => ({
  node:
    node.op === 'normalize' && type === 'float32'
      ? { ...node, mean: node.mean.map(Math.fround), std: node.std.map(Math.fround) }
      : node,
  tensor: (part: string) => known(tensors, `${node.name}.${part}`),
})

const known = <T>(all: ReadonlyMap<string, T>, name: string): T => {
  const value = all.get(name)
  if (value === undefined) throw invalid(`there is nothing called ${name}`)
  return value
}
