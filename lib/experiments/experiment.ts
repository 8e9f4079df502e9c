/**
 * An experiment: cells, each read from runs. What is run follows from what the cells read; nothing is listed twice.
 */

import type { Figure, ReproducedCell } from '../papers/reproduction.js'
import type { PaperNetwork } from '../papers/sehwag2019.js'
import type { Recipe } from '../recipes/recipe.js'
import type { ResultRow, RunResult } from '../runs/result.js'
import type { Conflict } from './conflict.js'
import type { Readings } from './readings.js'
import type { Scale } from './scale.js'

/** What experiments are planned for. */
export interface Setting {
  readonly scale: Scale
  readonly readings: Readings
  /** What recipes have in common: data, device. Their seeds come later. */
  readonly shared: Pick<Recipe, 'data' | 'device' | 'threads'>
  /** Values of all recipes that are changed, `pretrain.precision=bf16`; those of pruning where something is pruned. */
  readonly changes: readonly string[]
}

/** A network that a run ends with: a recipe, and the name of its row in the result. */
export interface Source {
  /** What the run is called, before its hash. */
  readonly label: string
  readonly recipe: Recipe
  readonly row: string
  /** The recipe of its pre-training, which it shares with others; none where it is that. */
  readonly training?: Source
  /** Whether the conflict of its gradients is looked at, of the dense network. */
  readonly conflict?: boolean
}

/** What was found of a source. */
export interface Found {
  readonly result: RunResult
  readonly row: ResultRow
  /** Where the source asks for it. */
  readonly conflict?: Conflict
}

/** A figure, and the networks that it is of. */
export interface Measure {
  readonly sources: readonly Source[]
  /** From what was found of each source, in their order, with one seed; nothing where there is no such figure. */
  readonly of: (found: readonly Found[]) => Figure | undefined
  /** Whether it is an accuracy, of which more is better; others are compared as they are at every scale. */
  readonly good: boolean
}

export interface Cell {
  readonly row: readonly string[]
  readonly column: string
  readonly measure: Measure
  readonly paper?: number
  /** The same figure of the dense network: at reduced scale what is kept of it is compared. */
  readonly dense?: { readonly measure: Measure; readonly paper: number }
  /** Cells with the same word are ranked against each other. */
  readonly rivals?: string
}

export interface Experiment {
  readonly name: string
  readonly title: string
  readonly where: string
  /** What the parts of a row are called. */
  readonly head: readonly string[]
  readonly cells: (setting: Setting) => readonly Cell[]
  /** What the cells say together, in sentences. */
  readonly findings?: (cells: readonly ReproducedCell[]) => string[]
}

/** Networks as tables name them. */
export const titles: Readonly<Record<PaperNetwork, string>> = {
  vgg16: 'VGG16',
  wideResNet: 'WRN',
  cifarLarge: 'CIFAR-large',
  allCnn: 'ALL-CNN',
}
