/** Bounds as numbers: of every value of a node, or of the margins between logits, for images given as pixels. */

import { z } from 'zod'
import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { Floats, NativeBounds } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { fractionBetween } from '../base/numbers.js'
import { parse, strict } from '../base/schemas.js'
import { type Network, requireNetwork } from '../models/network.js'
import { PAPERS_METHOD, type Verifier, type VerifierOptions, verifierSchema } from './index.js'

export interface BoundsOptions {
  /** By which method, as for `verify`; a cascade is none. Default `symbolic`. */
  verifier?: Verifier | VerifierOptions | Verifier['kind'] | undefined
  /** Half the side of the box around an image, in [0,1] pixels. */
  epsilon: number
  /** Whether bounds are widened by the rounding errors of their computation, as verdicts need. Default true. */
  sound?: boolean | undefined
  signal?: AbortSignal | undefined
}

const schema = strict({
  verifier: verifierSchema.prefault(PAPERS_METHOD),
  epsilon: fractionBetween(0, 1),
  sound: z.boolean('expected true or false').default(true),
})

/**
 * Lower and upper bounds of every value of a node, over the box around each image: [n, ...shape of the node], flat.
 *
 * @param images pixels in [0,1], [n, channels, height, width] flat
 * @throws CoppiceError for an unknown node, a cascade, wrong options, a memory too small for one neuron
 */
export const nodeBounds = async (
  network: Network,
  images: Floats,
  node: string,
  given: BoundsOptions,
): Promise<{ lower: Floats; upper: Floats }> => {
  requireNetwork(network, 'nodeBounds')
  const { signal, ...options } = optionsOf(given, 'nodeBounds')
  const settings = { ...nativeBounds(options, 'nodeBounds'), node }
  return settle(() => addon().bounds(network.handle, images, settings), signal)
}

/**
 * Lower bounds of (logit of the label − other logit) over the box around each image: [n, classes − 1] flat, the other
 * classes in order. An image is verified if all of its are greater than 0.
 *
 * @param images pixels in [0,1], [n, channels, height, width] flat
 * @throws CoppiceError for labels that are no class, a cascade, wrong options, a memory too small for one neuron
 */
export const margins = async (
  network: Network,
  images: Floats,
  labels: Int32Array,
  given: BoundsOptions,
): Promise<Floats> => {
  requireNetwork(network, 'margins')
  const { signal, ...options } = optionsOf(given, 'margins')
  const settings = nativeBounds(options, 'margins')
  const found = await settle(() => addon().margins(network.handle, { images, labels }, settings), signal)
  return found.margins
}

const nativeBounds = (
  options: Omit<BoundsOptions, 'signal'>,
  name: string,
): NativeBounds & { sound: boolean } => {
  const { verifier, epsilon, sound } = parse(schema, options, name)
  if (verifier.kind === 'cascade') {
    throw invalid(`${name}.verifier: a cascade is several methods; choose one, such as crown`)
  }
  const { kind: method, clip, intersect, memory, iterations = 0 } = verifier
  return { method, epsilon, clip, intersect, iterations, sound, ...(memory !== undefined && { memory }) }
}
