/**
 * A night of two CPU cores for each network: CIFAR-large in full width on all images, VGG16, WRN-28-5 and ALL-CNN at a
 * quarter. MixTrain bounds by `crownIbp`, a hundredth of the cost of `symbolic`, which still proves every VRA.
 */
import type { NetworkScale, Scale } from '../scale.js'

const mixTrain = { bound: 'crownIbp', mix: 'convex' } as const
const adam = { optimiser: { kind: 'adam', weightDecay: 0 }, learningRate: 0.001, schedule: 'cosine' } as const

/** With batch norm: SGD, in fewer epochs on a cosine. */
const withBatchNorm = (epochs: number, robustEpochs: number): NetworkScale['pretrain'] => {
  const sgd = { learningRate: 0.1, schedule: 'cosine' } as const
  return {
    natural: { ...sgd, epochs },
    adversarial: { ...sgd, epochs: robustEpochs },
    mixTrain: { ...sgd, epochs: robustEpochs },
  }
}

const onBounds = (epochs: number): NetworkScale['pretrain'] => ({
  natural: { ...adam, epochs },
  adversarial: { ...adam, epochs },
  mixTrain: { ...adam, epochs, naturalEpochs: epochs / 8, rampEpochs: epochs / 2 },
})

export const nightScale: Scale = {
  name: 'night',
  meaning:
    'a night of two CPU cores: CIFAR-large in full width, the others at a quarter; MixTrain on crownIbp bounds',
  full: false,
  images: 1000,
  points: [0.25, 0.5, 0.75, 0.9],
  finePoints: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
  attack: { steps: 5 },
  networks: {
    vgg16: {
      width: 0.25,
      pretrain: withBatchNorm(12, 12),
      prune: { steps: 8, epochsPerStep: 1, learningRate: 0.01 },
    },
    wideResNet: {
      width: 0.25,
      pretrain: withBatchNorm(8, 8),
      prune: { steps: 8, epochsPerStep: 1, learningRate: 0.01 },
    },
    cifarLarge: {
      width: 1,
      pretrain: onBounds(24),
      prune: { steps: 10, epochsPerStep: 1, learningRate: 0.0005 },
      proofs: { images: 1000, verifier: 'symbolic' },
      mixTrain,
    },
    allCnn: {
      width: 0.25,
      pretrain: onBounds(16),
      prune: { steps: 8, epochsPerStep: 1, learningRate: 0.0005 },
      proofs: { images: 1000, verifier: 'symbolic' },
      mixTrain,
    },
  },
  mostCompute: 4,
}
