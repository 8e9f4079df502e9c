/**
 * How far two losses want a network's weights to go opposite ways: the share of weights whose gradients have opposite
 * signs. Gradients of unrelated losses conflict in half of the weights, and so do estimates of one gradient that are all
 * noise; hence the share between two halves of the images under one loss beside it, which tells signal from noise.
 */
import { z } from 'zod'
import type { Device, Floats } from '../../bindings/native.js'
import type { Dataset } from '../data/dataset.js'
import { readModel } from '../models/modelFile.js'
import { Network } from '../models/network.js'
import { parameterTensors } from '../networks/tensors.js'
import { natural, type Objective } from '../objectives/index.js'
import { meanGradients } from '../training/gradients.js'

/** Weights with a gradient under both, and those of them whose gradients have opposite signs. */
export interface Opposed {
  readonly weights: number
  readonly opposed: number
}

export interface Conflict {
  /** Of what, by layers; `all` is of all weights. */
  readonly layers: Readonly<
    Record<
      string,
      {
        /** Natural against verifiable loss, over all images. */
        readonly losses: Opposed
        /** One half of the images against the other. */
        readonly natural: Opposed
        readonly verifiable: Opposed
      }
    >
  >
  readonly images: number
}

const opposedSchema = z.object({ weights: z.int(), opposed: z.int() })
export const conflictSchema: z.ZodType<Conflict> = z.object({
  layers: z.record(
    z.string(),
    z.object({ losses: opposedSchema, natural: opposedSchema, verifiable: opposedSchema }),
  ),
  images: z.int(),
})

export const opposedIn = (a: Floats, b: Floats, from: number, to: number): Opposed => {
  let [weights, opposed] = [0, 0]
  for (let place = from; place < to; place++) {
    const product = Math.sign(a[place] ?? 0) * Math.sign(b[place] ?? 0)
    if (product !== 0) weights++
    if (product < 0) opposed++
  }
  return { weights, opposed }
}

export interface ConflictOptions {
  readonly device: Device
  /** MixTrain as the network was trained with it; its robust loss alone is the verifiable one. */
  readonly objective: Objective
  readonly batchSize: number
  readonly seed: number
  readonly signal?: AbortSignal | undefined
}

/** The conflict in the network of a model file, over images in two halves of every other image. */
export async function conflictOf(path: string, images: Dataset, options: ConflictOptions): Promise<Conflict> {
  const { device, objective, batchSize, seed, signal } = options
  // As many images as the batch has are bounded, so that every one may be.
  const verifiable: Objective =
    objective.kind === 'mixTrain' ? { ...objective, mix: 'convex', alpha: 1, k: batchSize } : objective
  const network = await Network.from(await readModel(path), { device })
  try {
    const places = Array.from({ length: images.length }, (_, place) => place)
    const halves = [0, 1].map((parity) => images.subset(places.filter((place) => place % 2 === parity)))
    const gradients = async (loss: Objective) => {
      const [first, second] = await Promise.all(
        halves.map((half) =>
          meanGradients(network, half, loss, { batchSize, precision: 'fp32', seed }, signal),
        ),
      )
      const [a, b] = [first?.gradients, second?.gradients] as [Floats, Floats]
      // Signs alone count, so the sum of the halves' means does for their mean.
      return {
        halves: [a, b] as const,
        whole: Float64Array.from(a, (value, place) => value + (b[place] ?? 0)),
      }
    }
    const ofNatural = await gradients(natural())
    const ofVerifiable = await gradients(verifiable)
    const layers: Record<string, Conflict['layers'][string]> = {}
    const weights = parameterTensors(network.spec).filter(({ prunable }) => prunable)
    const add = (a: Opposed, b: Opposed | undefined): Opposed => ({
      weights: a.weights + (b?.weights ?? 0),
      opposed: a.opposed + (b?.opposed ?? 0),
    })
    for (const { name, node } of weights) {
      const place = network.parameterLayout.find((tensor) => tensor.name === name)
      if (place === undefined) continue
      const [from, to] = [place.offset, place.offset + place.size]
      const layer = {
        losses: opposedIn(ofNatural.whole, ofVerifiable.whole, from, to),
        natural: opposedIn(...ofNatural.halves, from, to),
        verifiable: opposedIn(...ofVerifiable.halves, from, to),
      }
      layers[node] = layer
      layers[ALL] = {
        losses: add(layer.losses, layers[ALL]?.losses),
        natural: add(layer.natural, layers[ALL]?.natural),
        verifiable: add(layer.verifiable, layers[ALL]?.verifiable),
      }
    }
    return { layers, images: images.length }
  } finally {
    network.dispose()
  }
}

export const ALL = 'all'
