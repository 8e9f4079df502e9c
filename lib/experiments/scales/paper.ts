/**
 * The paper's own: full width, all images, 40 pruning steps of five epochs at 0.001. Pre-training takes 100 epochs, which
 * the paper leaves open. VRA on 1,000 images: its own were 200, as far as its figures tell.
 */
import type { NetworkScale, Scale } from '../scale.js'

const prune = { steps: 40, epochsPerStep: 5, learningRate: 0.001 }

/** The step schedule and SGD at 0.1 are defaults of networks with batch norm, Adam at 0.001 of those without. */
const hundred = { epochs: 100 }

const attacked: NetworkScale = {
  width: 1,
  pretrain: { natural: hundred, adversarial: hundred, mixTrain: hundred },
  prune,
}

const verified: NetworkScale = { ...attacked, proofs: { images: 1000, verifier: 'symbolic' } }

export const paperScale: Scale = {
  name: 'paper',
  meaning: 'full width, all images, 100 epochs of pre-training, 40 steps of 5 epochs',
  full: true,
  points: [0.25, 0.5, 0.6, 0.75, 0.84, 0.9],
  finePoints: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
  attack: { steps: 10 },
  networks: {
    vgg16: attacked,
    wideResNet: attacked,
    cifarLarge: verified,
    allCnn: { ...verified, proofs: { images: 200, verifier: 'symbolic' } },
  },
  mostCompute: 10,
}
