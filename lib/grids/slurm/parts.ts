/**
 * A grid is submitted in parts, each a job array. `slurm/PART.json` is written before the array is submitted and says what
 * its indices stand for; the name of the array says which grid and which part it is. So whoever finds a job in the queue
 * knows its task, and nobody need have written down its number.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { writeJson } from '../../files/json.js'
import { readFileAs } from '../../runs/parseFile.js'
import { type GridFolder, slurmFolder } from '../folder.js'

export interface Part {
  /** The names of its tasks, by the index of the array. */
  readonly tasks: readonly string[]
  /** Seconds between checkpoints. */
  readonly checkpointSeconds?: number
}

const partSchema: z.ZodType<Part> = z.looseObject({
  tasks: z.array(z.string()),
  checkpointSeconds: z.exactOptional(z.number()),
})

const partFile = (grid: GridFolder, part: number): string => join(slurmFolder(grid), `${part}.json`)

export const readPart = (grid: GridFolder, part: number): Promise<Part> =>
  readFileAs(partFile(grid, part), partSchema)

export const writePart = (grid: GridFolder, part: number, content: Part): Promise<void> =>
  writeJson(partFile(grid, part), content)

/** The numbers of a grid's parts, of all times that it was submitted. */
export async function partNumbers(grid: GridFolder): Promise<number[]> {
  const names = await readdir(slurmFolder(grid)).catch(() => [])
  return names.flatMap((name) => (/^\d+\.json$/.test(name) ? [Number.parseInt(name, 10)] : []))
}

/** The name of the array that is a part. */
export const jobName = (grid: GridFolder, part: number): string => `coppice-${grid.id}-${part}`

/** The part that a job of this name is; undefined where it is none of the grid's. */
export const partOfJob = (grid: GridFolder, name: string): number | undefined => {
  const prefix = jobName(grid, 0).slice(0, -1)
  const number = name.startsWith(prefix) ? name.slice(prefix.length) : ''
  return /^\d+$/.test(number) ? Number(number) : undefined
}
