/**
 * The colours of charts and pages, by what they stand for. Charts name them as CSS variables with the light colour to
 * fall back on: within a page they follow its theme, as files of their own they are light.
 */

/** Light and dark. Series are told apart by colour-blind eyes too (after Okabe and Ito, 2008), and never by colour alone. */
export const COLOURS = {
  paper: ['#ffffff', '#15181c'],
  raised: ['#f5f6f8', '#1e2228'],
  ink: ['#1b1f24', '#e8eaed'],
  muted: ['#57606a', '#a3adb8'],
  grid: ['#e3e6ea', '#2d333b'],
  rule: ['#c4cad1', '#444c56'],
  quiet: ['#d3d9e0', '#3a424c'],
  onSeries: ['#ffffff', '#101317'],
  blue: ['#0060a8', '#56b4e9'],
  orange: ['#b84e00', '#f5975a'],
  green: ['#00735a', '#3ccda4'],
  purple: ['#9a3f80', '#e08cc3'],
  gold: ['#8a6a00', '#e5c044'],
  grey: ['#6b7580', '#98a2ad'],
  loss: ['#fbeee6', '#33241b'],
} as const satisfies Record<string, readonly [light: string, dark: string]>

export type Colour = keyof typeof COLOURS

/** A colour in a chart. */
export const colour = (name: Colour): string => `var(--${name}, ${COLOURS[name][0]})`

/** The declarations of a theme, for a style sheet. */
export const declarations = (theme: 'light' | 'dark'): string =>
  Object.entries(COLOURS)
    .map(([name, [light, dark]]) => `--${name}:${theme === 'light' ? light : dark}`)
    .join(';')

/** The text of a chart with every variable replaced by its light colour: what viewers without style sheets can read. */
export const withoutVariables = (svg: string): string => svg.replace(/var\(--\w+, (#[0-9a-f]+)\)/g, '$1')

const BRANCHES: Readonly<Record<string, Colour>> = {
  dense: 'ink',
  matched: 'blue',
  natural: 'orange',
  none: 'grey',
}
const OTHERS: readonly Colour[] = ['green', 'purple', 'gold', 'blue', 'orange', 'grey', 'ink']

/** Colours for ways of fine-tuning: the usual ones always have the same. */
export const branchColours = (branches: readonly string[]): string[] => {
  let next = 0
  return branches.map((branch) =>
    colour((Object.hasOwn(BRANCHES, branch) ? BRANCHES[branch] : undefined) ?? another(next++)),
  )
}

/** Colours for series of any kind. */
export const seriesColours = (count: number): string[] => {
  const order: readonly Colour[] = ['blue', 'orange', 'green', 'purple', 'gold', 'grey', 'ink']
  return Array.from({ length: count }, (_, index) => colour(order[index % order.length] ?? 'ink'))
}

const another = (index: number): Colour => OTHERS[index % OTHERS.length] ?? 'ink'
