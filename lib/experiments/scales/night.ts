/**
 * Nights of two CPU cores: some six hours each for CIFAR-large, in full width, and VGG16, three each for WRN and ALL-CNN, at a
 * quarter. MixTrain bounds by `crownIbp`, a hundredth of the cost of `symbolic`, which still proves every VRA.
 */
import type { NetworkScale, Scale, TrainedWith } from '../scale.js'

const mixTrain = { bound: 'crownIbp', mix: 'convex' } as const
const adam = { optimiser: 'adam', learningRate: 0.001, schedule: 'cosine' } as const

/** With batch norm: SGD, in fewer epochs on a cosine. */
const withBatchNorm = (epochs: number, robustEpochs: number): NetworkScale['pretrain'] => {
  const sgd = { learningRate: 0.1, schedule: 'cosine' } as const
  return {
    natural: { ...sgd, epochs },
    adversarial: { ...sgd, epochs: robustEpochs },
    mixTrain: { ...sgd, epochs: robustEpochs },
  }
}

/** Without: Adam, and a robust loss that comes gently. */
const onBounds = (epochs: Readonly<Record<TrainedWith, number>>): NetworkScale['pretrain'] => ({
  natural: { ...adam, epochs: epochs.natural },
  adversarial: { ...adam, epochs: epochs.adversarial },
  mixTrain: {
    ...adam,
    epochs: epochs.mixTrain,
    naturalEpochs: epochs.mixTrain / 8,
    rampEpochs: epochs.mixTrain / 2,
  },
})

export const nightScale: Scale = {
  name: 'night',
  meaning:
    'a night of two CPU cores: CIFAR-large in full width, the others at a quarter; MixTrain on crownIbp bounds',
  full: false,
  images: 1000,
  points: [0.5, 0.75, 0.9],
  finePoints: [0.2, 0.4, 0.6, 0.9],
  attack: { steps: 5 },
  networks: {
    vgg16: {
      width: 1 / 4,
      pretrain: withBatchNorm(12, 10),
      prune: { steps: 8, epochsPerStep: 1, learningRate: 0.01 },
    },
    wideResNet: {
      width: 1 / 4,
      train: 10_000,
      pretrain: withBatchNorm(12, 12),
      prune: { steps: 8, epochsPerStep: 1, learningRate: 0.01 },
    },
    cifarLarge: {
      width: 1,
      pretrain: onBounds({ natural: 12, adversarial: 12, mixTrain: 24 }),
      prune: { steps: 8, epochsPerStep: 1, learningRate: 0.0005 },
      proofs: { images: 1000, verifier: 'symbolic' },
      mixTrain,
    },
    allCnn: {
      width: 1 / 4,
      pretrain: onBounds({ natural: 12, adversarial: 12, mixTrain: 16 }),
      prune: { steps: 8, epochsPerStep: 1, learningRate: 0.0005 },
      proofs: { images: 300, verifier: 'symbolic' },
      mixTrain,
    },
  },
  mostCompute: 3,
}
