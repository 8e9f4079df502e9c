/** Table 4: CIFAR-large and ALL-CNN trained with MixTrain, weights pruned. */
import { table4 as cells } from '../papers/sehwag2019.js'
import { preservedTable } from './preserved.js'

export const table4 = preservedTable({
  name: 'table4',
  title: 'CIFAR-large and ALL-CNN trained with MixTrain, weights pruned',
  table: cells,
  structure: 'unstructured',
  with: 'mixTrain',
  robust: 'vra',
})
