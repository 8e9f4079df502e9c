/** |w|; of a group the mean |w| (L1 norm by size, as Li et al., "Pruning Filters for Efficient ConvNets", 2017). */
import { absolute, type ScoreRule } from './score.js'

export const magnitude: ScoreRule = {
  weights: ({ values, layout }) => absolute(values, layout, 'weights'),
  ofGroup: 'mean',
}
