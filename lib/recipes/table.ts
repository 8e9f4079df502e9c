/** The table of a recipe's keys in docs/recipes.md, made of the schemas: what a key takes, its default, what it means. */
import { z } from 'zod'
import { type Meaning, meanings } from './meanings.js'
import { recipeSchema } from './recipe.js'

type Schema = z.core.$ZodType

/** Sections whose keys have rows of their own; everything else is one row. */
const SECTIONS = ['data', 'network', 'pretrain', 'prune', 'evaluate']

interface Row {
  key: string
  schema: Schema
  /** Of a key that only some variants of a section have: those. */
  of: string[]
}

/**
 * The table in Markdown.
 * @throws Error for a key without a meaning, and for a meaning without a key
 */
export const recipeTable = (): string => {
  const rows = rowsOf('', recipeSchema)
  const keys = rows.map(({ key }) => key)
  const dumb = rows.find(({ key, schema }) => meaningOf(key, schema) === undefined)?.key
  if (dumb !== undefined)
    throw new Error(`lib/recipes/meanings.ts says nothing of recipe.${dumb}, nor does its schema`)
  const stale = Object.keys(meanings).find((key) => !keys.includes(key))
  if (stale !== undefined)
    throw new Error(`lib/recipes/meanings.ts speaks of recipe.${stale}, which is no key`)
  const lines = rows
    .toSorted((a, b) => rank(a.key) - rank(b.key))
    .map(({ key, schema, of }) => {
      const known = meaningOf(key, schema) as Meaning
      const whose = of.length === 0 ? '' : `of ${of.map((name) => `\`${name}\``).join(', ')}: `
      return `| \`${key}\` | ${known.takes ?? takes(schema)} | ${known.default ?? defaultOf(schema)} | ${whose}${known.meaning} |`
    })
  return ['| key | takes | default | meaning |', '|---|---|---|---|', ...lines].join('\n')
}

/** What is written of a key, or what its own schema says. */
const meaningOf = (key: string, schema: Schema): Meaning | undefined => {
  const own = z.globalRegistry.get(schema)
  if (Object.hasOwn(meanings, key)) return meanings[key]
  if (own?.description !== undefined) return { ...own, meaning: own.description } as unknown as Meaning
  const { innerType } = definition(schema)
  return innerType && meaningOf(key, innerType)
}

/** Keys in the order of what is written of them; those that say it themselves follow the first of their section. */
const rank = (key: string): number => {
  const order = Object.keys(meanings)
  const place = order.indexOf(key)
  return place >= 0 ? place : order.findIndex((known) => known.startsWith(key.slice(0, key.indexOf('.') + 1)))
}

const rowsOf = (place: string, schema: Schema): Row[] => {
  const { def } = bare(schema)._zod as unknown as { def: Definition }
  if (def.type === 'union') return variantRows(place, def.options ?? [])
  return Object.entries(def.shape ?? {}).flatMap(([key, inner]) =>
    place === '' && SECTIONS.includes(key)
      ? rowsOf(`${key}.`, inner)
      : [{ key: place + key, schema: inner, of: [] }],
  )
}

/** The keys of all variants once, with the variants that have them unless all do. */
const variantRows = (place: string, options: readonly Schema[]): Row[] => {
  const rows = new Map<string, Row>()
  let tag = ''
  const names: string[] = []
  for (const option of options) {
    const entries = Object.entries((option._zod as unknown as { def: Definition }).def.shape ?? {})
    const [first] = entries
    tag = place + (first?.[0] ?? '')
    const name = first === undefined ? '' : words(first[1]).join()
    names.push(name)
    for (const [key, schema] of entries) {
      const row = rows.get(place + key) ?? { key: place + key, schema, of: [] }
      row.of.push(name)
      rows.set(row.key, row)
    }
  }
  const all = [...rows.values()].map((row) => ({
    ...row,
    of: row.of.length === options.length ? [] : row.of,
  }))
  return all.map((row) => (row.key === tag ? { ...row, schema: oneOf(names) } : row))
}

/** What this walk reads of a schema's definition. */
interface Definition {
  type: string
  innerType?: Schema
  in?: Schema
  out?: Schema
  shape?: Record<string, Schema>
  options?: Schema[]
  entries?: Record<string, string>
  values?: unknown[]
  defaultValue?: unknown
}

const definition = (schema: Schema): Definition => (schema._zod as unknown as { def: Definition }).def

const oneOf = (names: readonly string[]): Schema =>
  ({
    _zod: { def: { type: 'enum', entries: Object.fromEntries(names.map((name) => [name, name])) } },
  }) as never

/** Without what makes it optional, gives it a default, or reads words for it. */
const bare = (schema: Schema): Schema => {
  const { type, innerType, in: read, out } = definition(schema)
  if (innerType !== undefined) return bare(innerType)
  if (type !== 'pipe' || out === undefined) return schema
  if (definition(out).type !== 'transform') return bare(out)
  // What is read may be one of several kinds, made to print well afterwards.
  const kinds = read === undefined ? schema : bare(read)
  return definition(kinds).type === 'union' ? kinds : schema
}

/** The words that a schema takes: of an enumeration, of a table of kinds. */
const words = (schema: Schema): string[] => {
  const { type, entries, options, values, shape } = definition(bare(schema))
  if (entries !== undefined) return Object.values(entries)
  if (values !== undefined) return values.map(String)
  if (type === 'union') return (options ?? []).flatMap(words)
  const tag = shape?.kind
  return tag === undefined ? [] : words(tag)
}

const takes = (schema: Schema): string => {
  const known = words(schema)
  if (known.length > 0) return known.map((word) => `\`${word}\``).join(', ')
  const { type } = definition(bare(schema))
  const names: Record<string, string> = {
    number: 'a whole number',
    boolean: '`true`, `false`',
    string: 'text',
    array: 'a list',
    pipe: 'a number',
  }
  return names[type] ?? ''
}

const defaultOf = (schema: Schema): string => {
  const { defaultValue, innerType, type, out } = definition(schema)
  if (defaultValue !== undefined) return shown(defaultValue)
  if (innerType !== undefined) return defaultOf(innerType)
  return type === 'pipe' && out !== undefined ? defaultOf(out) : ''
}

const shown = (value: unknown): string => {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(shown).join(', ')
  return typeof value === 'number' ? String(value) : `\`${String(value)}\``
}
