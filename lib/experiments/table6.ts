/** Table 6: adversarial training. */
import { table6 as cells } from '../papers/sehwag2019.js'
import { scratchTable } from './scratch.js'

export const table6 = scratchTable({
  name: 'table6',
  title: 'VGG16 pruned and fine-tuned against VGG16 from scratch, adversarially',
  table: cells,
  with: 'adversarial',
})
