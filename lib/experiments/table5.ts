/** Table 5: CIFAR-large and ALL-CNN trained with MixTrain, filters pruned. */
import { table5 as cells } from '../papers/sehwag2019.js'
import { preservedTable } from './preserved.js'

export const table5 = preservedTable({
  name: 'table5',
  title: 'CIFAR-large and ALL-CNN trained with MixTrain, filters pruned',
  table: cells,
  structure: 'filter',
  with: 'mixTrain',
  robust: 'vra',
})
