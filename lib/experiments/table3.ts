/** Table 3: Adversarially trained VGG16 and WRN-28-5, filters pruned. */
import { table3 as cells } from '../papers/sehwag2019.js'
import { preservedTable } from './preserved.js'

export const table3 = preservedTable({
  name: 'table3',
  title: 'Adversarially trained VGG16 and WRN-28-5, filters pruned',
  table: cells,
  structure: 'filter',
  with: 'adversarial',
  robust: 'era',
})
