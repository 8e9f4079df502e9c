/** Figure 4: in which share of the weights the natural and the verifiable loss point in opposite directions. */
import { figure4 as text } from '../papers/sehwag2019.js'
import { ALL, type Opposed } from './conflict.js'
import type { Cell, Experiment, Measure, Setting } from './experiment.js'
import { trained } from './sources.js'

const training = { network: 'cifarLarge', with: 'mixTrain' } as const

const columns = {
  losses: 'natural against verifiable',
  natural: 'natural, half against half',
  verifiable: 'verifiable, half against half',
} as const

const layers = ['conv1', 'conv2', 'conv3', 'conv4', 'fc1', 'fc2', 'fc3']

export const figure4: Experiment = {
  name: 'figure4',
  title: 'Share of weights whose natural and verifiable gradients have opposite signs (chance is 50 %)',
  where: text.where,
  head: ['layer'],
  cells: (setting) =>
    [ALL, ...layers].flatMap((layer) =>
      (Object.keys(columns) as (keyof typeof columns)[]).map(
        (key): Cell => ({
          row: [layer],
          column: columns[key],
          measure: shareOf(setting, layer, key),
          ...(layer === ALL && key === 'losses' && { paper: text.share }),
        }),
      ),
    ),
}

const shareOf = (setting: Setting, layer: string, key: keyof typeof columns): Measure => ({
  sources: [{ ...trained(setting, training), conflict: true }],
  good: false,
  of: ([found]) => {
    const part: Opposed | undefined = found?.conflict?.layers[layer]?.[key]
    if (part === undefined || part.weights === 0) return undefined
    return { value: (100 * part.opposed) / part.weights, n: part.weights }
  },
})
