/** Between groups and masks: which groups of a layer a mask has removed, and the mask once more of them are. */
import { FREE, PRUNED, type PruneLayer } from './layers.js'
import { eachRun, SINGLE } from './tiles.js'

/** Flags of a layer's groups: `PRUNED` where all weights of a group are, else `FREE`. */
export const flagsOf = (layer: PruneLayer, mask: Uint8Array): Uint8Array => {
  const flags = new Uint8Array(layer.groups).fill(PRUNED)
  for (const part of layer.ranked) {
    if (part.tile === SINGLE) {
      const { offset } = part.tensor
      for (let group = 0; group < flags.length; group++) if (mask[offset + group] !== 0) flags[group] = FREE
      continue
    }
    eachRun(part, (group, start, end) => {
      for (let index = start; index < end && flags[group] !== FREE; index++) {
        if (mask[index] !== 0) flags[group] = FREE
      }
    })
  }
  return flags
}

/** Writes 0 into the mask for every removed group, and for all that is attached to it. */
export const maskOut = (layer: PruneLayer, flags: Uint8Array, mask: Uint8Array): void => {
  for (const part of [...layer.ranked, ...layer.attached]) {
    if (part.tile === SINGLE) {
      const { offset } = part.tensor
      for (let group = 0; group < flags.length; group++) if (flags[group] === PRUNED) mask[offset + group] = 0
      continue
    }
    eachRun(part, (group, start, end) => {
      if (flags[group] === PRUNED) mask.fill(0, start, end)
    })
  }
}

/** What a layer's groups count, all of them and the removed ones. */
export const measure = (
  { sizes, groups }: PruneLayer,
  flags: Uint8Array,
): { total: number; pruned: number } => {
  if (typeof sizes === 'number') {
    let count = 0
    for (let group = 0; group < groups; group++) if (flags[group] === PRUNED) count++
    return { total: sizes * groups, pruned: sizes * count }
  }
  let [total, pruned] = [0, 0]
  for (let group = 0; group < groups; group++) {
    total += sizes[group] ?? 0
    if (flags[group] === PRUNED) pruned += sizes[group] ?? 0
  }
  return { total, pruned }
}
