/** How much of the paper's work is done: widths, images, epochs. One record a scale, each in a file under scales/. */
import type { z } from 'zod'
import { attackWithin } from '../attacks/attack.js'
import { adversarial, mixTrain, natural, type Objective } from '../objectives/index.js'
import type { PaperNetwork } from '../papers/sehwag2019.js'
import type { recipeSchema } from '../recipes/recipe.js'
import type { Readings } from './readings.js'

type Written = z.input<typeof recipeSchema>
type Pretrain = Written['pretrain']

/** The kinds of objectives that the paper trains with. */
export const trainedWith = ['natural', 'adversarial', 'mixTrain'] as const
export type TrainedWith = (typeof trainedWith)[number]

/** How one network of the paper is treated. */
export interface NetworkScale {
  /** Factor on the widths. */
  readonly width: number
  /** Training images; default those of the scale. */
  readonly train?: number
  /** How it is pre-trained with each objective, but for the objective itself. */
  readonly pretrain: Readonly<Record<TrainedWith, Omit<Pretrain, 'objective'>>>
  readonly prune: { readonly steps: number; readonly epochsPerStep: number; readonly learningRate: number }
  /** Test images that are verified, where figures of it are VRA, and by what. */
  readonly proofs?: { readonly images: number; readonly verifier: 'symbolic' | 'crownIbp' }
  /** What of MixTrain is not as the paper has it. */
  readonly mixTrain?: Parameters<typeof mixTrain>[0]
}

export interface Scale {
  readonly name: string
  readonly meaning: string
  /** Whether widths and images are the paper's, so that its figures compare as they are. */
  readonly full: boolean
  /** Training images; default all. */
  readonly train?: number
  /** Test images that are evaluated; default all. */
  readonly images?: number
  /** CPU threads of a run; default the cores. */
  readonly threads?: number
  /** Sparsities at which every trajectory is evaluated; 50, 75 and 90 % are among them. */
  readonly points: readonly number[]
  /** Those of networks that are not fine-tuned, where a curve is wanted. */
  readonly finePoints: readonly number[]
  /** PGD while training. Attacks that evaluate are the paper's at every scale. */
  readonly attack: { readonly steps: number }
  readonly networks: Readonly<Record<PaperNetwork, NetworkScale>>
  /** Epochs from scratch at the same compute are at most this multiple of those of the same epochs. */
  readonly mostCompute: number
}

/** The paper's ε: 8/255 for empirical robustness; 2/255 for CIFAR-large and ALL-CNN, which are verified. */
export const epsilonOf = (network: PaperNetwork): number =>
  (network === 'cifarLarge' || network === 'allCnn' ? 2 : 8) / 255

/** An objective as a network is trained with it at this scale. `k` is MixTrain's, by default the paper's 10. */
export const objectiveAt = (
  scale: Scale,
  { alpha }: Pick<Readings, 'alpha'>,
  network: PaperNetwork,
  kind: TrainedWith,
  k = 10,
): Objective => {
  if (kind === 'natural') return natural()
  const epsilon = epsilonOf(network)
  if (kind === 'mixTrain') {
    return mixTrain({ epsilon, ...scale.networks[network].mixTrain, ...(alpha && { mix: alpha }), k })
  }
  const { steps } = scale.attack
  // The paper's step of 2/255 for ten steps at 8/255: a quarter of ε. Fewer steps are larger in proportion.
  return adversarial({ epsilon, steps, stepSize: epsilon * Math.max(1 / 4, 2.5 / (2 * steps)) })
}

/** The attack of the paper's evaluation, PGD-10 with steps of a quarter of ε. */
export const attackAt = (network: PaperNetwork) => attackWithin(epsilonOf(network))
