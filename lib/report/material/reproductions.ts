/** What `coppice reproduce` wrote of a paper's tables and figures: cells, each beside the paper's. */
import { readdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { readJson } from '../../files/json.js'
import type { Figure, Judgement, ReproducedCell, Reproduction } from '../../papers/reproduction.js'

const figureSchema: z.ZodType<Figure> = z.object({
  value: z.number(),
  low: z.exactOptional(z.number()),
  high: z.exactOptional(z.number()),
  n: z.number(),
  spread: z.exactOptional(z.number()),
  by: z.exactOptional(z.string()),
})

const cellSchema: z.ZodType<ReproducedCell> = z.object({
  row: z.array(z.string()),
  column: z.string(),
  ours: z.exactOptional(figureSchema),
  seeds: z.array(z.number()),
  runs: z.array(z.string()),
  paper: z.exactOptional(z.number()),
  compared: z.enum(['value', 'kept']),
  kept: z.exactOptional(z.object({ ours: z.number(), paper: z.number() })),
  difference: z.exactOptional(z.number()),
  verdict: z.custom<Judgement>((value) => typeof value === 'string', 'expected a judgement'),
})

const reproductionSchema: z.ZodType<Reproduction> = z.object({
  name: z.string(),
  title: z.string(),
  where: z.string(),
  scale: z.string(),
  readings: z.record(z.string(), z.union([z.string(), z.number()])),
  changes: z.array(z.string()),
  head: z.array(z.string()),
  cells: z.array(cellSchema),
  findings: z.array(z.string()),
})

/** A table or figure of a paper as it was reproduced. */
export interface ReproductionRecord extends Reproduction {
  /** Names it in anchors. */
  id: string
  /** The folder that the runs of its cells are relative to. */
  folder: string
}

const FILE = /^(table|figure)[\w-]*\.json$/i
const LONGEST = 16 * 2 ** 20

/** The tables and figures in a folder, in the order of their numbers; files of other kinds are passed over. */
export async function readReproductions(folder: string): Promise<Omit<ReproductionRecord, 'id'>[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => FILE.test(name))
  names.sort(
    (a, b) =>
      Number(b.startsWith('t')) - Number(a.startsWith('t')) || a.localeCompare(b, 'en', { numeric: true }),
  )
  const found = []
  for (const name of names) {
    const value = await readJson(join(folder, name), LONGEST).catch(() => undefined)
    const read = reproductionSchema.safeParse(value)
    if (read.success) found.push({ ...read.data, folder: dirname(resolve(folder)) })
  }
  return found
}

/** What is compared of a cell: the figures, or what is kept of the dense network's; undefined where one is missing. */
export const comparedOf = ({
  compared,
  kept,
  ours,
  paper,
}: ReproducedCell): { ours: number; paper: number } | undefined => {
  if (compared === 'kept') return kept
  return ours === undefined || paper === undefined ? undefined : { ours: ours.value, paper }
}
