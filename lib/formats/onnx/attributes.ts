/** The attributes of an ONNX node, asked for by name and type. */
import { show, showShape } from '../../base/numbers.js'
import { OnnxError } from './error.js'
import { type AttributeProto, type NodeProto, AttributeProto_AttributeType as Type } from './schema.js'

export interface Attributes {
  integer(name: string, otherwise: number): number
  integers(name: string, otherwise: readonly number[]): number[]
  number(name: string, otherwise: number): number
  text(name: string, otherwise: string): string
  get(name: string): AttributeProto | undefined
}

export const attributesOf = (node: NodeProto): Attributes => {
  const byName = new Map(node.attribute.map((each) => [each.name, each]))
  const typed = (name: string, type: Type): AttributeProto | undefined => {
    const found = byName.get(name)
    if (found === undefined || found.type === type) return found
    throw new OnnxError(`${nameOf(node)}: its attribute ${show(name)} has a wrong type`)
  }
  return {
    integer: (name, otherwise) => Number(typed(name, Type.INT)?.i ?? otherwise),
    integers: (name, otherwise) => (typed(name, Type.INTS)?.ints ?? otherwise).map(Number),
    number: (name, otherwise) => typed(name, Type.FLOAT)?.f ?? otherwise,
    text: (name, otherwise) => {
      const bytes = typed(name, Type.STRING)?.s
      return bytes === undefined ? otherwise : Buffer.from(bytes).toString()
    },
    get: (name) => byName.get(name),
  }
}

/** A node as it is called in errors. */
export const nameOf = ({ name, opType, output }: NodeProto): string =>
  `its node ${show(name || (output[0] ?? ''))} (${show(opType).slice(1, -1)})`

/** The one number that a list for both axes of a map, or both ends of them, holds. */
export const square = (node: NodeProto, what: string, values: readonly number[]): number => {
  const [first] = values
  if (first !== undefined && values.every((value) => value === first)) return first
  throw new OnnxError(`${nameOf(node)}: ${what} of ${showShape(values)}; Coppice has square ones alone`)
}
