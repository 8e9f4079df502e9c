/** Table 7: natural training. */
import { table7 as cells } from '../papers/sehwag2019.js'
import { scratchTable } from './scratch.js'

export const table7 = scratchTable({
  name: 'table7',
  title: 'VGG16 pruned and fine-tuned against VGG16 from scratch, naturally',
  table: cells,
  with: 'natural',
})
