/** Run directories as Coppice writes them, made up. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hash32 } from '../../lib/base/hash.js'
import { proportion } from '../../lib/base/wilson.js'
import type { OutcomeFile, ResultRow } from '../../lib/runs/result.js'

const adversarial = { kind: 'adversarial', epsilon: 8 / 255, stepSize: 2 / 255, steps: 10, start: 'uniform' }
const attack = { epsilon: 8 / 255, stepSize: 2 / 255, steps: 10, start: 'uniform', restarts: 1 }
const N = 200

export interface Made {
  name?: string
  seed?: number
  epochs?: number
  /** Without a result it is unfinished. */
  finished?: boolean
  warnings?: string[]
  branches?: string[]
}

/** Which images a network gets right: right ones under attack are right without it. */
const outcomes = (row: ResultRow, seed: number): OutcomeFile => {
  const labels = Array.from({ length: N }, (_, index) => index % 10)
  const draw = (index: number) => (hash32(seed, index) % 1000) / 10
  const predict = (part: number) =>
    labels.map((label, index) => (draw(index) < part ? label : (label + 1) % 10))
  return {
    ...{ row, labels, indices: labels.map((_, index) => index), attack: attack as OutcomeFile['attack'] },
    ...{ predictions: predict(row.accuracy.value), losses: labels.map(() => 1) },
    ...{ adversarialPredictions: predict(row.era.value), adversarialLosses: labels.map(() => 2) },
  }
}

const right = ({ labels, predictions }: Pick<OutcomeFile, 'labels' | 'predictions'>): number =>
  labels.filter((label, index) => predictions[index] === label).length

/** Writes a run into a folder that is made. */
export const makeRun = (folder: string, made: Made = {}): string => {
  const { name = 'made up', seed = 1, epochs = 5, finished = true, warnings = [] } = made
  const { branches = ['none', 'natural', 'matched'] } = made
  mkdirSync(join(folder, 'outcomes'), { recursive: true })
  mkdirSync(join(folder, 'checkpoints'))
  const put = (file: string, value: unknown) => writeFileSync(join(folder, file), JSON.stringify(value))
  const recipe = {
    ...{ name, seed, data: { set: 'builtin' }, network: { name: 'cifarLarge' } },
    pretrain: { objective: adversarial, epochs, learningRate: 0.001 },
    prune: { sparsity: 0.9, steps: 2, epochsPerStep: 1 },
    finetune: branches,
  }
  put('recipe.json', recipe)
  const common = { identity: `id${seed}`, seed }
  put('environment.json', {
    ...{ coppice: '0.1.0', node: 'v20', torch: '2.13.0', cpuCapability: 'AVX2', cpu: 'a CPU', device: 'cpu' },
    ...{ threads: 2, host: 'here', platform: 'linux-x64', ...common },
    data: { name: 'builtin', train: 'a', validation: 'b', test: 'c' },
  })
  const parts: Record<string, [number, number]> = {
    dense: [85, 56],
    none: [28, 5],
    natural: [91, 10],
    matched: [85, 53],
  }
  const rows = ['dense', ...branches].map((branch): ResultRow => {
    const [benign, era] = parts[branch] ?? [50, 25]
    const dense = branch === 'dense'
    const row = {
      ...{ name: dense ? 'dense' : `${branch}-90`, branch, sparsity: dense ? 0 : 0.9, n: N },
      ...(dense ? {} : { target: 0.9 }),
      weights: { total: 1000, remaining: dense ? 1000 : 100 },
      macs: { total: 50_000, remaining: dense ? 50_000 : 8000 },
      objective: dense || branch === 'none' ? null : branch === 'natural' ? { kind: 'natural' } : adversarial,
      matched: dense ? null : branch === 'matched',
      accuracy: proportion(Math.round((benign * N) / 100), N),
      era: proportion(Math.round((era * N) / 100), N),
    } as ResultRow
    const file = outcomes(row, seed)
    row.accuracy = proportion(right(file), N)
    row.era = proportion(right({ labels: file.labels, predictions: file.adversarialPredictions }), N)
    put(`outcomes/${row.name}.json`, { ...file, row })
    return row
  })
  const time = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString()
  const events = [
    { event: 'start', identity: common.identity, network: 'cifarLarge' },
    ...Array.from({ length: epochs }, (_, index) => ({
      ...{ event: 'epoch', stage: 'pretrain', epoch: index + 1, learningRate: 0.001 },
      ...{ loss: 2 / (index + 1), accuracy: 60 - 40 / (index + 1) },
    })),
    ...(finished
      ? branches.flatMap((branch) =>
          [1, 2].map((step) => ({
            ...{ event: 'step', branch, step, steps: 2, sparsity: step === 1 ? 0.68 : 0.9 },
            ...(branch === 'none' ? {} : { loss: 0.4, accuracy: 62 }),
          })),
        )
      : []),
  ]
  const lines = events.map((event, index) => `${JSON.stringify({ time: time(index), ...event })}\n`)
  writeFileSync(join(folder, 'metrics.ndjson'), lines.join(''))
  if (finished) {
    put('result.json', {
      ...{
        name,
        ...common,
        network: { name: 'cifarLarge', parameters: 1100, macs: 50_000 },
        data: 'builtin',
      },
      ...{ objective: adversarial, attack, rows, warnings, seconds: 100 },
      pruning: { structure: 'unstructured', score: 'magnitude', scope: 'layer' },
    })
  }
  return folder
}

/** A table of a paper as `coppice reproduce` writes it, made up, into FOLDER/results. */
export const makeReproduction = (folder: string): string => {
  const cell = (network: string, sparsity: string, column: string, paper: number, more: object) => ({
    ...{ row: [network, sparsity], column, paper, seeds: [0], runs: ['runs/a'], compared: 'value', ...more },
  })
  const ours = (value: number) => ({ value, low: value - 3, high: value + 3, n: 1000, by: 'pgd50x10' })
  mkdirSync(join(folder, 'results'), { recursive: true })
  const table = {
    ...{ name: 'table2', title: 'Adversarially trained networks, pruned', where: 'Table 2', scale: 'night' },
    ...{
      readings: {},
      changes: [],
      head: ['network', 'pruned'],
      findings: ['Matched fine-tuning keeps more.'],
    },
    cells: [
      cell('VGG16', '0 %', 'benign', 82.7, { ours: ours(82.1), difference: -0.6, verdict: 'agrees' }),
      cell('VGG16', '0 %', 'ERA', 51.9, { ours: ours(47.2), difference: -4.7, verdict: 'worse' }),
      cell('VGG16', '90 %', 'benign', 80.5, { ours: ours(84.9), difference: 4.4, verdict: 'better' }),
      cell('VGG16', '90 %', 'ERA', 49.6, { verdict: 'not run yet' }),
      cell('WRN', '0 %', 'benign', 86.9, {
        ...{ ours: ours(60.3), compared: 'kept', kept: { ours: 100, paper: 100 }, difference: 0 },
        verdict: 'agrees',
      }),
      cell('<b>WRN</b>', '0 %', 'ERA', 55.6, {
        ours: ours(40.1),
        difference: -15.5,
        verdict: 'another order',
      }),
    ],
  }
  writeFileSync(join(folder, 'results', 'table2.json'), JSON.stringify(table))
  writeFileSync(join(folder, 'results', 'table3.json'), '{"name":"table3"}')
  return folder
}
