/** What is removed together. A structure cuts a network into layers of groups; adding one is a file and a line here. */
import type { StructureRule } from './layers.js'
import { filter } from './structures/filter.js'
import { unstructured } from './structures/unstructured.js'

export const structureNames = ['unstructured', 'filter'] as const

/**
 * - `unstructured`: single weights of convolutions and linear layers
 * - `filter`: filters of convolutions and neurons of linear layers, but those that make the logits
 */
export type Structure = (typeof structureNames)[number]

export const structures: Readonly<Record<Structure, StructureRule>> = { unstructured, filter }
