/** Networks whose numbers lie anywhere in the range of their type, while what they compute need not be extreme. */
import type { ParameterType } from '../../../bindings/native.js'
import { IMAGE } from '../../../lib/networks/spec.js'
import type { PlainNetwork } from './plain.js'
import type { Random } from './randomNetworks.js'

/** Powers of two that still leave normal numbers, and those of which most are lost. */
const RANGE = { float32: 110, float64: 990 } as const
const MOST = { float32: 2 ** 127, float64: 2 ** 1023 } as const

/**
 * The same network with every value in other units, each a power of two: weights become tiny where what they read is
 * huge. ReLUs, pools and sums pass units on; in exact arithmetic only the unit of the logits tells.
 */
export const inOtherUnits = (
  { spec, tensors }: PlainNetwork,
  type: ParameterType,
  chance: Random,
  range: number = RANGE[type],
): PlainNetwork => {
  const group = new Map([[IMAGE, IMAGE]])
  const groupOf = (name: string): string => group.get(name) ?? name
  for (const { name, op, inputs } of spec.nodes) {
    const [first = IMAGE, second] = inputs
    group.set(name, op === 'conv2d' || op === 'linear' || op === 'batchNorm2d' ? name : groupOf(first))
    // Both summands share a unit.
    if (op !== 'add' || second === undefined) continue
    const [kept, gone] = [groupOf(first), groupOf(second)].sort((a) => (a === IMAGE ? -1 : 1))
    for (const [node, of] of group) if (of === gone) group.set(node, kept ?? IMAGE)
    group.set(name, kept ?? IMAGE)
  }
  const last = spec.nodes.at(-1)?.name ?? ''
  const units = new Map<string, number>([[IMAGE, 0]])
  const unit = (name: string): number => {
    const of = groupOf(name)
    const known =
      units.get(of) ?? (of === groupOf(last) ? chance.whole(-20, 20) : chance.whole(-range, range))
    units.set(of, known)
    return known
  }
  const moved = new Map<string, Float64Array>()
  const move = (name: string, by: number) => {
    const values = tensors.get(name)
    if (values !== undefined)
      moved.set(
        name,
        values.map((x) => stored(x, by, type)),
      )
  }
  for (const { name, op, inputs } of spec.nodes) {
    const [before, after] = [unit(inputs[0] ?? IMAGE), unit(name)]
    if (op === 'batchNorm2d') {
      // Its variance carries the unit of what it reads as far as it can, and its scale the rest.
      const carried = Math.max(-range / 2, Math.min(range / 2, before))
      move(`${name}.running_mean`, before)
      move(`${name}.running_var`, 2 * carried)
      move(`${name}.weight`, after - before + carried)
    } else {
      move(`${name}.weight`, after - before)
    }
    move(`${name}.bias`, after)
  }
  return { spec, tensors: moved }
}

/** Single numbers far from the others: some weights, shifts or statistics become huge, tiny, denormal or zero. */
export const withOutliers = (network: PlainNetwork, type: ParameterType, chance: Random): PlainNetwork => {
  const tensors = new Map(network.tensors)
  for (const [name, values] of tensors) {
    if (!chance.chance(0.4)) continue
    const by = chance.whole(-1.3 * RANGE[type], RANGE[type])
    const out = values.map((x) => (chance.chance(0.5) ? stored(chance.chance(0.1) ? 0 : x, by, type) : x))
    tensors.set(name, name.endsWith('running_var') ? out.map((x) => Math.abs(x)) : out)
  }
  return { ...network, tensors }
}

/** x·2^by as the type holds it, no infinity. */
const stored = (x: number, by: number, type: ParameterType): number => {
  // In two steps, as 2^by alone may not be a number.
  const half = Math.trunc(by / 2)
  const value = x * 2 ** half * 2 ** (by - half)
  const limited = Math.max(-MOST[type], Math.min(MOST[type], value))
  return type === 'float32' ? Math.fround(limited) : limited
}
