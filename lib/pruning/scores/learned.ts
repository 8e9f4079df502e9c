/**
 * |s| for importance scores s learned by training with frozen weights; of a group the mean. (Sehwag et al., "HYDRA:
 * Pruning Adversarially Robust Neural Networks", 2020)
 */
import { absolute, partOf, type ScoreRule } from './score.js'

export const learned: ScoreRule = {
  needs: 'learned',
  weights: ({ layout }, given) =>
    absolute(partOf(layout, given.learned, 'learned', 'learned scores'), layout, 'learned scores'),
  ofGroup: 'mean',
}
