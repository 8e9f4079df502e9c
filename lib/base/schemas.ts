/**
 * How values from outside (options, recipes, specs) become typed ones: zod schemas whose errors are one readable
 * line that names the place, and suggest the nearest known word for a mistyped one.
 */
import { z } from 'zod'
import { invalid } from './errors.js'
import { LIMITS } from './limits.js'
import { didYouMean, fraction, show } from './numbers.js'

/** An object of exactly these keys; an unknown one is an error that suggests the nearest. */
export const strict = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') return unknownKey(issue.keys, Object.keys(shape))
      return issue.code === 'invalid_type' ? `expected an object, received ${show(issue.input)}` : undefined
    },
  })

/** One of these words; another is an error that suggests the nearest. */
export const choice = <const Name extends string>(names: readonly Name[]) =>
  z.enum(names as readonly [Name, ...Name[]], { error: (issue) => unknownChoice(issue.input, names) })

type Variants = readonly [z.core.$ZodTypeDiscriminable, ...z.core.$ZodTypeDiscriminable[]]

/** One of several objects told apart by the key `tag`; an unknown tag suggests the nearest. */
export const variants = <const Tag extends string, const Options extends Variants>(
  tag: Tag,
  options: Options,
) => {
  const names = options.flatMap((option) => [...(option._zod.propValues[tag] ?? [])].map(String))
  return z.discriminatedUnion(tag, options, {
    error: (issue) => {
      const input: unknown = issue.input
      if (typeof input !== 'object' || input === null) return `expected an object, received ${show(input)}`
      return unknownChoice((input as Record<string, unknown>)[tag], names)
    },
  })
}

/** `variants` of a table of schemas: the objects that its entries describe, told apart by the key `tag`. */
export const variantsOf = <Schema extends z.core.$ZodTypeDiscriminable>(
  tag: string,
  schemas: Readonly<Record<string, Schema>>,
): z.ZodType<z.output<Schema>, z.input<Schema>> => {
  const [first, ...others] = Object.values(schemas)
  if (first === undefined) throw new TypeError(`a table of variants by "${tag}" is empty`)
  return variants(tag, [first, ...others])
}

/**
 * One of a table of kinds, told apart by the key `kind`, or `tag`: each has a schema whose `kind` is its name in the
 * table. What is in the table is known everywhere; nobody lists it again.
 */
export const table = <Kinds extends Readonly<Record<string, { schema: z.core.$ZodTypeDiscriminable }>>>(
  kinds: Kinds,
  tag = 'kind',
) =>
  variantsOf<Kinds[keyof Kinds]['schema']>(
    tag,
    Object.fromEntries(Object.entries(kinds).map(([name, { schema }]) => [name, schema])),
  )

/** Lets a word stand for the object with that `kind` and all its defaults: `cosine` for `{ kind: 'cosine' }`. */
export const shorthand = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((value) => (typeof value === 'string' ? { kind: value } : value), schema)

/** A whole number from `low` to `high`; nobody can forget the limit. */
export const integer = (low: number, high: number) =>
  z
    .int({ error: (issue) => `expected a whole number, received ${show(issue.input)}` })
    .min(low, { error: (issue) => `must be at least ${low}, received ${show(issue.input)}` })
    .max(high, { error: (issue) => `must be at most ${high}, received ${show(issue.input)}` })

/** A number greater than 0 and at most `high`, also written as a fraction. */
export const positiveUpTo = (high: number) =>
  fraction.refine((value) => value > 0 && value <= high, {
    error: (issue) => `must be greater than 0 and at most ${high}, received ${show(issue.input)}`,
  })

export const learningRateSchema = positiveUpTo(LIMITS.learningRate)

export const batchSizeSchema = integer(1, LIMITS.batchSize)

export const seedSchema = integer(0, LIMITS.seed)

/** A list of at most so many values; a longer one is refused before its values are looked at. */
export const listOf = <Schema extends z.ZodType>(
  schema: Schema,
  message: string,
  most: number = LIMITS.list,
) =>
  z.preprocess(
    (value, context) => {
      if (!Array.isArray(value) || value.length <= most) return value
      context.addIssue({
        code: 'custom',
        message: `has ${value.length} entries; at most ${most} are allowed`,
      })
      return z.NEVER
    },
    z.array(schema, message),
  )

/** Text of at most so many characters. */
export const textUpTo = (most: number, what: string) =>
  z.string({ error: (issue) => `expected ${what}, received ${show(issue.input)}` }).max(most, {
    error: (issue) => `has ${String(issue.input).length} characters; at most ${most} are allowed`,
  })

/** Parses `value`, or throws a `CoppiceError` whose message starts with `what` and names the place in it. */
export const parse = <Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> => {
  const result = settled(schema, value, what)
  if (result.success) return result.data
  const { issues } = result.error
  // A mistyped key is also a missing one; the typo is what to tell.
  const first = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
  if (first === undefined) throw invalid(`${what} is not valid`, result.error)
  const place = first.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  const more = issues.length === 1 ? '' : ` (and ${issues.length - 1} more)`
  throw invalid(`${what}${place}: ${first.message}${more}`, result.error)
}

/** A promise somewhere in a value cannot be waited for here. */
const settled = <Schema extends z.ZodType>(schema: Schema, value: unknown, what: string) => {
  try {
    return schema.safeParse(value)
  } catch (error) {
    if (!(error instanceof z.core.$ZodAsyncError)) throw error
    throw invalid(`${what}: received a promise (is an await missing?)`, error)
  }
}

const unknownKey = (keys: readonly string[], known: readonly string[]): string => {
  const [key = ''] = keys
  return `unknown key ${show(key)}${didYouMean(key, known) || `; known are ${known.join(', ')}`}`
}

const unknownChoice = (value: unknown, names: readonly string[]): string => {
  const hint = typeof value === 'string' ? didYouMean(value, names) : ''
  return `expected one of ${names.join(', ')}; received ${show(value)}${hint}`
}
