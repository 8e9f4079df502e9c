/** Table 2: Adversarially trained VGG16 and WRN-28-5, weights pruned. */
import { table2 as cells } from '../papers/sehwag2019.js'
import { preservedTable } from './preserved.js'

export const table2 = preservedTable({
  name: 'table2',
  title: 'Adversarially trained VGG16 and WRN-28-5, weights pruned',
  table: cells,
  structure: 'unstructured',
  with: 'adversarial',
  robust: 'era',
})
