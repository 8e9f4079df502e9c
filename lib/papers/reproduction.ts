/** What reproducing a table or figure of a paper came to: a list of cells, each beside the paper's. */
import type { Proportion } from '../base/wilson.js'

/** A figure of ours. Of accuracies and shares in percent. */
export interface Figure {
  readonly value: number
  /** 95 % interval, where the figure is a proportion: Wilson's, over the images of all seeds. */
  readonly low?: number
  readonly high?: number
  /** Images (or whatever else was counted) of one seed. */
  readonly n: number
  /** Standard deviation over the seeds, where there are several. */
  readonly spread?: number
  /** The attack or the verifier, in words; nothing where there is neither. */
  readonly by?: string
}

export const figureOf = ({ value, low, high, n }: Proportion, by?: string): Figure => ({
  ...{ value, low, high, n },
  ...(by !== undefined && { by }),
})

/**
 * How ours stands to the paper's: `agrees` where the paper's lies in our interval (or within a point, where there is
 * none); `another order` where the paper ranks two figures and ours are, with intervals apart, the other way round.
 */
export type Judgement =
  | 'agrees'
  | 'better'
  | 'worse'
  | 'higher'
  | 'lower'
  | 'another order'
  | 'not comparable'
  | 'no figure in the paper'
  | 'not run yet'

export interface ReproducedCell {
  /** What the row is: `['VGG16', '90 %']`. */
  readonly row: readonly string[]
  readonly column: string
  readonly ours?: Figure
  readonly seeds: readonly number[]
  /** Run directories that the figure was read from, relative to the folder of the reproduction. */
  readonly runs: readonly string[]
  readonly paper?: number
  /**
   * What is compared: the figures as they are, or, where network and data are smaller than the paper's, what is kept of
   * the dense network's, in percent.
   */
  readonly compared: 'value' | 'kept'
  /** What is kept, ours and the paper's. */
  readonly kept?: { readonly ours: number; readonly paper: number }
  /** Ours less the paper's, of what is compared. */
  readonly difference?: number
  readonly verdict: Judgement
}

export interface Reproduction {
  readonly name: string
  readonly title: string
  /** Where the paper has it. */
  readonly where: string
  readonly scale: string
  /** Which reading was run where the paper can be read in several ways. */
  readonly readings: Readonly<Record<string, string | number>>
  /** Values of recipes that were changed by hand: `pretrain.precision=bf16`. */
  readonly changes: readonly string[]
  /** What the parts of a row are called. */
  readonly head: readonly string[]
  readonly cells: readonly ReproducedCell[]
  /** What the cells say together. */
  readonly findings: readonly string[]
}
