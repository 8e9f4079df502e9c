/**
 * Everything in an hour of two cores: narrow networks, a tenth of the images, three PGD steps while training. Learning
 * rates were chosen on training images that were left out.
 */
import type { NetworkScale, Scale } from '../scale.js'

const adam = (learningRate: number) =>
  ({ optimiser: { kind: 'adam', weightDecay: 0 }, learningRate, schedule: 'cosine', batchSize: 50 }) as const

const mixTrain = { bound: 'crownIbp', mix: 'convex' } as const

/** Robust training begins naturally, and its ε grows: at once, narrow networks stay at chance. */
const pretrain = (
  learningRate: number,
  epochs: { natural: number; adversarial: number; mixTrain: number },
): NetworkScale['pretrain'] => {
  const shared = adam(learningRate)
  const gently = (all: number) => ({ naturalEpochs: all / 6, rampEpochs: all / 3 })
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

const prune = { steps: 5, epochsPerStep: 1, learningRate: 0.001 }

export const smokeScale: Scale = {
  name: 'smoke',
  meaning: 'everything in an hour of two CPU cores: narrow networks, 5,000 training images',
  full: false,
  train: 5000,
  images: 500,
  threads: 1,
  points: [0.5, 0.75, 0.9],
  attack: { steps: 3 },
  networks: {
    vgg16: { width: 1 / 16, pretrain: pretrain(0.003, { natural: 6, adversarial: 10, mixTrain: 6 }), prune },
    wideResNet: { width: 0.1, pretrain: pretrain(0.003, { natural: 6, adversarial: 6, mixTrain: 6 }), prune },
    cifarLarge: {
      width: 0.25,
      pretrain: pretrain(0.002, { natural: 6, adversarial: 6, mixTrain: 12 }),
      prune,
      proofs: { images: 200, verifier: 'symbolic' },
      mixTrain,
    },
    allCnn: {
      width: 0.125,
      pretrain: pretrain(0.002, { natural: 6, adversarial: 6, mixTrain: 12 }),
      prune,
      proofs: { images: 200, verifier: 'symbolic' },
      mixTrain,
    },
  },
  mostCompute: 2,
}
