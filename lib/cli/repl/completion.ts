/** Completion at the prompt: the options of the function whose call is being typed, and the words that they take. */

import { compressOptionNames } from '../../compression/compress.js'
import { evaluateOptionNames } from '../../evaluation/evaluate.js'
import { networkNames } from '../../networks/index.js'
import { networkOptionNames } from '../../networks/options.js'
import { objectiveNames, objectiveOptionNames } from '../../objectives/index.js'
import { residualNames } from '../../pruning/layers.js'
import { pruneScheduleNames } from '../../pruning/schedules.js'
import { scopeNames } from '../../pruning/scopes.js'
import { scoreNames } from '../../pruning/scores.js'
import { structureNames } from '../../pruning/structures.js'
import { compileOptionNames } from '../../sparse/compile.js'
import { trainOptionNames } from '../../training/train.js'
import { verifierNames } from '../../verification/index.js'
import { verifyOptionNames } from '../../verification/verify.js'

const PRUNE = ['sparsity', 'structure', 'score', 'scope', 'residual', 'exclude', 'seed']
const CREATE = [...networkOptionNames, 'device', 'seed', 'type']

/** The options of functions and methods, by the name they are called by. */
const options: Readonly<Record<string, readonly string[]>> = {
  train: trainOptionNames,
  compress: compressOptionNames,
  evaluate: evaluateOptionNames,
  verify: verifyOptionNames,
  compile: compileOptionNames,
  prune: PRUNE,
  builtin: ['train', 'test', 'seed', 'validation', 'device'],
  cifar10: ['validation', 'device'],
  ...Object.fromEntries(networkNames.map((name) => [name, CREATE])),
  ...objectiveOptionNames,
}

/** The words that an option, or the first argument of a function, takes. */
const words: Readonly<Record<string, readonly string[]>> = {
  structure: structureNames,
  score: scoreNames,
  scope: scopeNames,
  residual: residualNames,
  schedule: pruneScheduleNames,
  verifier: verifierNames,
  objective: objectiveNames,
  network: networkNames,
  networkSpec: networkNames,
  create: networkNames,
  device: ['cpu', 'cuda'],
  precision: ['fp32', 'bf16'],
  dtype: ['fp32', 'bf16', 'fp16'],
  augment: ['standard', 'none'],
}

/** What fits at the end of a line, and the part of it that this replaces; undefined where Node's own completion knows more. */
export const completions = (line: string): [string[], string] | undefined => {
  const quoted = /(\w+)(?::\s*|\()(['"])([\w:.-]*)$/.exec(line)
  if (quoted !== null) {
    const [, name = '', , typed = ''] = quoted
    return fitting(Object.hasOwn(words, name) ? words[name] : undefined, typed)
  }
  const key = /[{,]\s*(\w*)$/.exec(line)
  const of = key === null ? undefined : calledBy(line)
  if (key === null || of === undefined || !Object.hasOwn(options, of)) return undefined
  return fitting(options[of], key[1] ?? '', ': ')
}

const fitting = (
  known: readonly string[] | undefined,
  typed: string,
  after = '',
): [string[], string] | undefined => {
  const fits = known?.filter((name) => name.startsWith(typed)) ?? []
  return fits.length === 0 ? undefined : [fits.map((name) => name + after), typed]
}

/** The function in whose object of options the line ends: `train` of `await train(net, data.train, { epochs: 3, `. */
const calledBy = (line: string): string | undefined => {
  const open: { bracket: string; name: string }[] = []
  const code = line.replace(/'[^']*'|"[^"]*"|`[^`]*`/g, "''")
  for (const [place, character] of [...code].entries()) {
    if ('([{'.includes(character)) {
      open.push({ bracket: character, name: /(\w+)$/.exec([...code].slice(0, place).join(''))?.[1] ?? '' })
    } else if (')]}'.includes(character)) open.pop()
  }
  const [call, object] = open.slice(-2)
  return call?.bracket === '(' && object?.bracket === '{' ? call.name : undefined
}
