/** YAML as recipes use it: plain data without tags, whose aliases end. */
import { parseDocument, type YAMLError } from 'yaml'

/** Why a text is no YAML that can be read, in one line. */
export class YamlError extends Error {}

/** @throws YamlError for what is not YAML, and for tags and aliases that stand for no plain data */
export const parseYaml = (text: string): unknown => {
  try {
    const document = parseDocument(text, { logLevel: 'error' })
    const [problem] = [...document.errors, ...document.warnings]
    if (problem !== undefined) throw new YamlError(firstLine(problem))
    return document.toJS() as unknown
  } catch (error) {
    if (error instanceof YamlError) throw error
    if (error instanceof RangeError) throw new YamlError('it is nested too deep', { cause: error })
    // Aliases that explode, or stand for nothing.
    const message = error instanceof Error ? error.message : String(error)
    throw new YamlError(firstLine({ message }), { cause: error })
  }
}

/** The rest of a message draws the place with arrows over several lines. */
const firstLine = ({ message }: Pick<YAMLError, 'message'>): string =>
  message.startsWith('Maximum call stack')
    ? 'it is nested too deep'
    : (message.split('\n')[0] ?? '').replace(/:$/, '').slice(0, 200)
