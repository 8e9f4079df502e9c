/**
 * Everything in an hour of two cores: narrow networks, a twentieth of the images, three PGD steps while training. Learning
 * rates were chosen on training images that were left out.
 */
import type { NetworkScale, Scale, TrainedWith } from '../scale.js'

const adam = (learningRate: number) =>
  ({ optimiser: { kind: 'adam', weightDecay: 0 }, learningRate, schedule: 'cosine', batchSize: 32 }) as const

const mixTrain = { bound: 'crownIbp', mix: 'convex' } as const

/** Robust training begins naturally, and its ε grows: at once, narrow networks stay at chance. */
const pretrain = (
  learningRate: number,
  epochs: Readonly<Record<TrainedWith, number>>,
): NetworkScale['pretrain'] => {
  const shared = adam(learningRate)
  const gently = (all: number) => ({ naturalEpochs: (2 * all) / 5, rampEpochs: (3 * all) / 10 })
  return {
    natural: { ...shared, epochs: epochs.natural },
    adversarial: { ...shared, epochs: epochs.adversarial, ...gently(epochs.adversarial) },
    mixTrain: {
      ...shared,
      epochs: epochs.mixTrain,
      naturalEpochs: epochs.mixTrain / 6,
      rampEpochs: epochs.mixTrain / 2,
    },
  }
}

const prune = (learningRate: number, epochsPerStep: number) => ({ steps: 4, epochsPerStep, learningRate })

const proofs = { images: 200, verifier: 'symbolic' } as const

export const smokeScale: Scale = {
  name: 'smoke',
  meaning: 'everything in an hour of two CPU cores: narrow networks, 2,500 training images',
  full: false,
  train: 2500,
  images: 400,
  threads: 1,
  points: [0.5, 0.75, 0.9],
  finePoints: [0.2, 0.35, 0.5, 0.7, 0.9],
  attack: { steps: 3 },
  networks: {
    vgg16: {
      width: 3 / 32,
      pretrain: pretrain(0.005, { natural: 6, adversarial: 10, mixTrain: 10 }),
      prune: prune(0.003, 1),
    },
    wideResNet: {
      width: 1 / 16,
      pretrain: pretrain(0.003, { natural: 6, adversarial: 6, mixTrain: 6 }),
      prune: prune(0.003, 1),
    },
    cifarLarge: {
      width: 1 / 4,
      pretrain: pretrain(0.002, { natural: 6, adversarial: 8, mixTrain: 14 }),
      prune: prune(0.002, 3),
      proofs,
      mixTrain,
    },
    allCnn: {
      width: 1 / 8,
      pretrain: pretrain(0.002, { natural: 6, adversarial: 8, mixTrain: 14 }),
      prune: prune(0.002, 3),
      proofs,
      mixTrain,
    },
  },
  mostCompute: 1.5,
}
