/** From any value (a recipe, a file, a script) to a checked `NetworkSpec`: keys, names, order, then shapes. */
import { z } from 'zod'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { didYouMean, show, showShape } from '../base/numbers.js'
import { requirePlain } from '../base/plain.js'
import { integer, parse, strict, textUpTo, variantsOf } from '../base/schemas.js'
import { factsOf } from './operations.js'
import { nodeShapes } from './shapes.js'
import { IMAGE, type NetworkSpec, type NodeSpec, type OperationName } from './spec.js'
import { elements, parameterTensors } from './tensors.js'

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/

const between = (low: number, high: number) =>
  z
    .number('expected a finite number')
    .refine((value) => value >= low && value <= high, {
      error: (issue) => `must lie between ${low} and ${high}, received ${show(issue.input)}`,
    })
    .meta({ minimum: low, maximum: high })
const size = integer(1, LIMITS.size)

const initialisation = z.union(
  [z.enum(['kaimingFanOut', 'kaimingFanIn', 'torch']), strict({ normal: between(0, LIMITS.deviation) })],
  {
    error: (issue) =>
      `expected kaimingFanOut, kaimingFanIn, torch or { normal: deviation }; received ${show(issue.input)}`,
  },
)

const base = {
  name: z
    .string('expected a name')
    .max(LIMITS.name, `must not be longer than ${LIMITS.name} characters`)
    .regex(NAME, 'must consist of letters, digits, "_", "-" and "."')
    .refine((name) => name !== IMAGE, `"${IMAGE}" is the name of the input and cannot name a node`),
  inputs: z.array(textUpTo(LIMITS.name, 'the name of a node'), 'expected a list of node names').optional(),
}
const pool = { ...base, kernel: size, stride: size.optional() }

const operationSchemas = {
  normalize: strict({
    ...base,
    op: z.literal('normalize'),
    mean: z.array(between(-LIMITS.normalisation, LIMITS.normalisation), 'expected a list of numbers'),
    std: z.array(between(1 / LIMITS.normalisation, LIMITS.normalisation), 'expected a list of numbers'),
  }),
  conv2d: strict({
    ...base,
    op: z.literal('conv2d'),
    channels: size,
    kernel: size,
    stride: size.default(1),
    padding: integer(0, LIMITS.size).default(0),
    bias: z.boolean('expected true or false').default(true),
    init: initialisation.default('kaimingFanOut'),
  }),
  batchNorm2d: strict({
    ...base,
    op: z.literal('batchNorm2d'),
    epsilon: between(...LIMITS.batchNormEpsilon).default(1e-5),
    momentum: between(0, 1)
      .refine((value) => value > 0, 'must be greater than 0')
      .default(0.1),
  }),
  relu: strict({ ...base, op: z.literal('relu') }),
  maxPool2d: strict({ ...base, op: z.literal('maxPool2d'), ...pool }),
  averagePool2d: strict({ ...base, op: z.literal('averagePool2d'), ...pool }),
  flatten: strict({ ...base, op: z.literal('flatten') }),
  linear: strict({
    ...base,
    op: z.literal('linear'),
    features: size,
    bias: z.boolean('expected true or false').default(true),
    init: initialisation.default('torch'),
  }),
  add: strict({ ...base, op: z.literal('add') }),
} satisfies Record<OperationName, z.ZodType>

const node = variantsOf('op', operationSchemas)

const network = strict({
  name: textUpTo(LIMITS.name, 'a name').min(1, 'must not be empty'),
  input: z.tuple([size, size, size], 'expected [channels, height, width]'),
  nodes: z
    .array(node, 'expected a list of nodes')
    .min(1, 'a network needs at least one node')
    .max(LIMITS.nodes, `has more than ${LIMITS.nodes} nodes`),
})

/** What `parseSpec` takes, but for what nodes must be to each other, as JSON Schema (draft 2020-12). */
export const specSchema = (): Record<string, unknown> => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'A network of Coppice',
  ...z.toJSONSchema(network.extend({ $schema: z.string().optional() }), { io: 'input' }),
})

/** A network as people write it: sizes with defaults may be left out, and so may the inputs of a chain. */
export type NetworkSpecInput = z.input<typeof network>
/** One node as people write it. */
export type NodeInput = z.input<typeof node>

/**
 * Checks a network spec and fills its defaults: `stride` 1 (pooling: the kernel), `padding` 0, `bias` true, `init`,
 * batch norm's `epsilon` and `momentum`, and `inputs`: the node before (the image for the first).
 *
 * @throws CoppiceError naming the node: an unknown key or operation (with the nearest known one), a name used twice,
 * an input that is unknown or comes later, an output nobody reads, shapes that do not fit, an output that is not a
 * vector of at least two logits.
 */
export const parseSpec = (value: unknown): NetworkSpec => {
  requirePlain(value, 'network')
  const parsed = parse(network, value, 'network')
  const nodes = parsed.nodes.map((each, index) => complete(each, parsed.nodes[index - 1]?.name ?? IMAGE))
  const spec: NetworkSpec = { name: parsed.name, input: parsed.input, nodes }
  checkGraph(spec)
  checkOutput(spec)
  checkSizes(spec)
  return spec
}

const complete = (parsed: z.output<typeof node>, previous: string): NodeSpec => {
  const inputs = parsed.inputs ?? [previous]
  if (parsed.op === 'maxPool2d' || parsed.op === 'averagePool2d') {
    return { ...parsed, inputs, stride: parsed.stride ?? parsed.kernel }
  }
  return { ...parsed, inputs }
}

const checkGraph = (spec: NetworkSpec): void => {
  const names = spec.nodes.map((each) => each.name)
  const known = new Set<string>([IMAGE])
  const read = new Set<string>()
  for (const { name, op, inputs } of spec.nodes) {
    if (known.has(name))
      throw invalid(`network "${spec.name}": two nodes are called "${name}"; names must be unique`)
    const arity = factsOf({ op }).inputs
    if (inputs.length !== arity) {
      throw invalid(
        `node "${name}": ${op} reads ${arity} input${arity === 1 ? '' : 's'}, but ${inputs.length} are given`,
      )
    }
    for (const input of inputs) {
      if (known.has(input)) {
        read.add(input)
      } else if (names.includes(input)) {
        throw invalid(`node "${name}" reads "${input}", which comes later; list a node after those it reads`)
      } else {
        throw invalid(
          `node "${name}" reads "${input}", which does not exist${didYouMean(input, [IMAGE, ...names])}`,
        )
      }
    }
    known.add(name)
  }
  const unread = names.slice(0, -1).find((name) => !read.has(name))
  if (unread !== undefined) {
    throw invalid(`node "${unread}" is read by no other; a network has one output, its last node`)
  }
}

const checkOutput = (spec: NetworkSpec): void => {
  const last = spec.nodes[spec.nodes.length - 1]
  const shape = nodeShapes(spec).get(last?.name ?? IMAGE) ?? []
  const [classes = 0] = shape
  if (shape.length !== 1 || classes < 2) {
    throw invalid(
      `node "${last?.name}": the last node gives the logits and must be a vector of at least two, ` +
        `but its output is [${shape.join(', ')}]; end with flatten or linear`,
    )
  }
}

/** What no device could hold is refused before anything is asked of one. */
const checkSizes = (spec: NetworkSpec): void => {
  const large = (shape: readonly number[]) => elements(shape) > LIMITS.elements
  const tensors = parameterTensors(spec)
  const tensor = tensors.find(({ shape }) => large(shape))
  if (tensor !== undefined) {
    throw invalid(`node "${tensor.node}": ${tensor.kind} of ${showShape(tensor.shape)} is too large`)
  }
  const [node, shape] = [...nodeShapes(spec)].find(([, output]) => large(output)) ?? []
  if (shape !== undefined) throw invalid(`node "${node}": output of ${showShape(shape)} is too large`)
  const total = tensors.reduce((sum, each) => sum + elements(each.shape), 0)
  if (total > LIMITS.elements || large(spec.input)) {
    throw invalid(
      `network "${spec.name}": has ${total} parameters and images of ${showShape(spec.input)}, which is too much`,
    )
  }
}
