/** A figure of a report: a chart that is drawn wide and narrow, and what it says in a sentence. */
import type { TopLevelSpec } from 'vega-lite'

/** Width of the plots of a figure, in pixels, and whether it is for a phone. */
export interface Space {
  width: number
  narrow: boolean
}

export const WIDE: Space = { width: 720, narrow: false }
export const NARROW: Space = { width: 270, narrow: true }

export interface Figure {
  /** Names it in anchors and files. */
  id: string
  title: string
  /** What it shows, computed from what it shows. */
  finding: string
  /** How to read it. */
  note?: string | undefined
  spec(space: Space): TopLevelSpec
  /** What the chart was drawn of, a record a mark or point: numbers in full. */
  data: readonly Readonly<Record<string, string | number | boolean | null>>[]
}

export const VEGA_LITE = 'https://vega.github.io/schema/vega-lite/v6.json'
