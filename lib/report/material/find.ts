/** What the arguments of a report stand for: run directories, benchmarks, or folders of them. */
import { existsSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { z } from 'zod'
import { CoppiceError } from '../../base/errors.js'
import { sameData } from '../../base/json.js'
import { fileError } from '../../files/files.js'
import { readFileAs } from '../../runs/parseFile.js'
import type { BenchReport } from '../benchText.js'
import { holdsRun, readRun, sentence } from './readRun.js'
import type { BenchRecord, Material, RunRecord } from './record.js'
import { type ReproductionRecord, readReproductions } from './reproductions.js'

/** Folders below an argument in which runs are looked for, and how many are looked at. */
const DEEPEST = 4
const MOST_FOLDERS = 20_000

/** Where runs and benchmarks lie. */
export interface Places {
  runs: string[]
  benches: string[]
  reproductions: Omit<ReproductionRecord, 'id'>[]
}

/**
 * Finds the runs and benchmarks that arguments name: each is one of them, a file of one, or a folder in which some lie.
 * @throws CoppiceError `ERR_FILE` where an argument is not there, or nothing is found
 */
export async function findPlaces(paths: readonly string[]): Promise<Places> {
  const found: Places = { runs: [], benches: [], reproductions: [] }
  for (const path of paths) {
    if (!existsSync(path)) throw new CoppiceError('ERR_FILE', `${path}: there is no such file or folder`)
    const folder = statSync(path).isDirectory() ? path : dirname(path)
    const before = countOf(found)
    await walk(folder, folder === path ? DEEPEST : 0, found, { left: MOST_FOLDERS })
    if (countOf(found) === before) {
      throw new CoppiceError(
        'ERR_FILE',
        `${path} holds no run and no benchmark; coppice run RECIPE makes a run, coppice bench sparse -o a benchmark`,
      )
    }
  }
  return { ...found, runs: once(found.runs), benches: once(found.benches) }
}

const countOf = ({ runs, benches, reproductions }: Places): number =>
  runs.length + benches.length + reproductions.length

/** Reads what arguments name. @throws CoppiceError as `findPlaces` */
export async function readMaterial(paths: readonly string[]): Promise<Material> {
  const places = await findPlaces(paths)
  const faults: string[] = []
  const runs = []
  for (const path of places.runs) runs.push(await readRun(path))
  const benches = []
  for (const path of places.benches) {
    try {
      benches.push({ path, name: basename(resolve(path)), report: await readBench(path) })
    } catch (error) {
      faults.push(sentence(error))
    }
  }
  return {
    runs: withNames(runs, 'run') as RunRecord[],
    benches: withNames(benches, 'bench') as BenchRecord[],
    reproductions: places.reproductions.map((each, index) => ({ ...each, id: `paper-${index + 1}` })),
    faults: [...faults, ...disagreements(runs)],
  }
}

const RESULTS = 'results.json'

const walk = async (
  folder: string,
  depth: number,
  found: Places,
  budget: { left: number },
): Promise<void> => {
  if (budget.left-- <= 0) return
  if (holdsRun(folder)) found.runs.push(folder)
  else if (existsSync(join(folder, RESULTS)) && (await isBench(folder))) found.benches.push(folder)
  else found.reproductions.push(...(await readReproductions(folder)))
  if (depth === 0) return
  let entries: { name: string; isDirectory(): boolean }[]
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (error) {
    throw fileError('cannot read the folder', folder, error)
  }
  const inner = entries
    .filter((entry) => entry.isDirectory() && !/^\.|^node_modules$/.test(entry.name))
    .map(({ name }) => name)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  for (const name of inner) await walk(join(folder, name), depth - 1, found, budget)
}

const once = (paths: readonly string[]): string[] => [
  ...new Map(paths.map((path) => [resolve(path), path])).values(),
]

const times = z.looseObject({ median: z.number(), p95: z.number(), n: z.number() })
const side = z.looseObject({ program: z.string(), warm: times, flushed: times })
const ratios = z.looseObject({ warm: z.number(), flushed: z.number() })
const against = z.looseObject({ side, ratios })
const benchSchema = z.looseObject({
  command: z.string(),
  coppice: z.string(),
  libtorch: z.string(),
  cpu: z.string(),
  threads: z.number(),
  models: z.array(
    z.looseObject({
      ...{ model: z.string(), sha256: z.string(), network: z.string(), structure: z.string() },
      ...{ sparsity: z.number(), macs: z.number(), denseMacs: z.number() },
      rows: z.array(
        z.looseObject({
          ...{ batch: z.number(), dtype: z.string(), engine: side, sameType: against, best: against },
          equalMacs: against.nullable(),
        }),
      ),
    }),
  ),
})

/** results.json of other commands has no models with rows. */
const isBench = async (folder: string): Promise<boolean> => {
  const shape = z.looseObject({ models: z.array(z.looseObject({ rows: z.array(z.unknown()) })) })
  const read = await readFileAs(join(folder, RESULTS), shape).catch(() => undefined)
  return read !== undefined
}

const readBench = async (folder: string): Promise<BenchReport> =>
  (await readFileAs(join(folder, RESULTS), benchSchema)) as unknown as BenchReport

/** Gives each an anchor, and those of equal names what tells them apart: the part of the path that differs. */
export const withNames = <Item extends { name: string; path: string }>(
  items: readonly Item[],
  kind: string,
): (Item & { id: string })[] => {
  const paths = items.map(({ path }) => resolve(path))
  const above = commonFolder(paths)
  const seen = new Map<string, number>()
  for (const { name } of items) seen.set(name, (seen.get(name) ?? 0) + 1)
  return items.map((item, index) => ({
    ...item,
    id: `${kind}-${index + 1}`,
    name: seen.get(item.name) === 1 ? item.name : relative(above, paths[index] ?? '') || item.name,
  }))
}

const commonFolder = (paths: readonly string[]): string => {
  const parts = paths.map((path) => dirname(path).split(sep))
  const [first = []] = parts
  const end = first.findIndex((part, index) => parts.some((each) => each[index] !== part))
  return first.slice(0, end < 0 ? first.length : end).join(sep) || sep
}

/** Runs that should be equal, by their identity, and are not. */
const disagreements = (runs: readonly Omit<RunRecord, 'id'>[]): string[] => {
  const byIdentity = new Map<string, Omit<RunRecord, 'id'>>()
  return runs.flatMap((run) => {
    if (run.result === undefined) return []
    const { identity } = run.result
    const other = byIdentity.get(identity)
    if (other === undefined) byIdentity.set(identity, run)
    if (other === undefined || sameData(figures(other), figures(run))) return []
    return [`${other.path} and ${run.path} have the same identity ${identity}, but not the same results.`]
  })
}

const figures = ({ rows }: Pick<RunRecord, 'rows'>) =>
  rows.map(({ name, accuracy, era, verifications = [] }) => [
    ...[name, accuracy.successes, era.successes],
    ...verifications.map(({ vra }) => vra.successes),
  ])
