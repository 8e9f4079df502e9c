/** Between groups and masks: which groups of a layer a mask has removed, and the mask once more of them are. */
import { FREE, PRUNED, type PruneLayer } from './layers.js'
import { eachRun } from './tiles.js'

/** Flags of a layer's groups: `PRUNED` where all weights of a group are, else `FREE`. */
export const flagsOf = (layer: PruneLayer, mask: Uint8Array): Uint8Array => {
  const flags = new Uint8Array(layer.groups).fill(PRUNED)
  for (const part of layer.ranked) {
    eachRun(part, (first, start, end, step) => {
      for (let index = start, group = first; index < end; index++, group += step) {
        if (mask[index] === 0) continue
        flags[group] = FREE
        if (step === 0) return
      }
    })
  }
  return flags
}

/** Writes 0 into the mask for every removed group, and for all that is attached to it. */
export const maskOut = (layer: PruneLayer, flags: Uint8Array, mask: Uint8Array): void => {
  for (const part of [...layer.ranked, ...layer.attached]) {
    eachRun(part, (first, start, end, step) => {
      if (step === 0 && flags[first] !== PRUNED) return
      for (let index = start, group = first; index < end; index++, group += step) {
        if (flags[group] === PRUNED) mask[index] = 0
      }
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
