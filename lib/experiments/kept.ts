/** The abstract's figures: what is kept of the dense networks' accuracies at a compression of ten times. */
import { type PaperNetwork, table2, table3, table4, table5, kept as text } from '../papers/sehwag2019.js'
import type { Cell, Experiment, Setting } from './experiment.js'
import { keptOf, type Metric, metricTitles } from './measures.js'
import { pruned, trained } from './sources.js'

const AT = 0.9

export const kept: Experiment = {
  name: 'kept',
  title: 'What matched fine-tuning keeps of the dense networks at ten times, meaned over the networks',
  where: text.where,
  head: ['structure'],
  cells: (setting) => [...cellsOf(setting, 'unstructured'), ...cellsOf(setting, 'filter')],
}

const cellsOf = (setting: Setting, structure: 'unstructured' | 'filter'): Cell[] => {
  const [attacked, verified] = structure === 'unstructured' ? [table2, table4] : [table3, table5]
  // ALL-CNN has no row of filters at 90 % in the paper, and so none here.
  const networksOf = (table: typeof table2) =>
    table.rows.filter(({ sparsity }) => sparsity === AT).map(({ network }) => network)
  const pair = (network: PaperNetwork, metric: Metric) => {
    const training = {
      network,
      with: verified.rows.some((row) => row.network === network) ? 'mixTrain' : 'adversarial',
    } as const
    return {
      now: pruned(setting, training, { structure, tuning: training.with, at: AT }),
      dense: trained(setting, training),
      metric,
    }
  }
  const triple = structure === setting.readings.triple ? text.first : text.second
  const networks = {
    accuracy: [...networksOf(attacked), ...networksOf(verified)],
    era: networksOf(attacked),
    vra: networksOf(verified),
  }
  return (['accuracy', 'era', 'vra'] as const).map((metric) => ({
    row: [structure],
    column: `${metricTitles[metric]} kept`,
    measure: keptOf(networks[metric].map((network) => pair(network, metric))),
    paper: triple[metric],
  }))
}
