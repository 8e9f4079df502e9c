/**
 * The figures that "Towards Compact and Robust Deep Neural Networks" prints (Sehwag, Wang, Mittal, Jana, 2019,
 * arXiv:1906.06110): every cell of its tables, and what its text says of its plots, with where it stands. Percent.
 */

/** A part of the paper, as a reader finds it. */
export const paper = {
  title: 'Towards Compact and Robust Deep Neural Networks',
  source: 'arXiv:1906.06110',
} as const

export type PaperNetwork = 'vgg16' | 'wideResNet' | 'cifarLarge' | 'allCnn'

/** What was done after pruning: nothing, natural fine-tuning, or fine-tuning with the objective of pre-training. */
export interface ByTuning {
  readonly none: number
  readonly natural: number
  readonly matched: number
}

/** A network pruned to one ratio: robust accuracy (ERA in tables 2 and 3, VRA in 4 and 5) and benign accuracy. */
export interface PrunedRow {
  readonly network: PaperNetwork
  /** Fraction of the weights (tables 2, 4) or filters (3, 5) that is pruned. */
  readonly sparsity: number
  readonly robust: ByTuning
  readonly accuracy: ByTuning
}

export interface PrunedTable {
  readonly where: string
  readonly rows: readonly PrunedRow[]
}

/** The columns ERA*, VRA* and ACC*: the networks before pruning. */
export const dense: Readonly<Record<PaperNetwork, { robust: number; accuracy: number }>> = {
  vgg16: { robust: 43.3, accuracy: 81.6 },
  wideResNet: { robust: 42.6, accuracy: 85.1 },
  cifarLarge: { robust: 51.0, accuracy: 73.4 },
  allCnn: { robust: 42.3, accuracy: 60.0 },
}

/** Three networks each, in the order None, Nat, Robust. */
const row = (
  network: PaperNetwork,
  sparsity: number,
  robust: readonly [number, number, number],
  accuracy: readonly [number, number, number],
): PrunedRow => ({ network, sparsity, robust: byTuning(robust), accuracy: byTuning(accuracy) })

const byTuning = ([none, natural, matched]: readonly [number, number, number]): ByTuning => ({
  none,
  natural,
  matched,
})

/** Adversarial training, weights pruned. */
export const table2: PrunedTable = {
  where: 'Table 2, section 6.1',
  rows: [
    row('vgg16', 0.5, [40.0, 31.8, 41.4], [78.1, 84.9, 80.9]),
    row('vgg16', 0.75, [28.4, 32.9, 40.8], [63.2, 85.9, 80.2]),
    row('vgg16', 0.9, [10.0, 22.9, 39.8], [10.0, 86.1, 78.4]),
    row('wideResNet', 0.5, [33.4, 36.4, 41.1], [80.9, 86.6, 85.0]),
    row('wideResNet', 0.75, [16.6, 28.6, 39.8], [56.4, 87.0, 84.7]),
    row('wideResNet', 0.9, [7.8, 12.1, 39.7], [10.2, 88.1, 84.5]),
  ],
}

/** Adversarial training, filters pruned. */
export const table3: PrunedTable = {
  where: 'Table 3, section 6.1',
  rows: [
    row('vgg16', 0.5, [19.0, 29.3, 45.3], [39.5, 86.5, 80.5]),
    row('vgg16', 0.75, [10.0, 2.8, 47.6], [10.0, 87.9, 78.5]),
    row('vgg16', 0.9, [10.0, 0.0, 41.6], [10.0, 86.4, 69.0]),
    row('wideResNet', 0.5, [10.0, 4.2, 44.5], [14.7, 89.8, 82.3]),
    row('wideResNet', 0.75, [10.0, 0.0, 43.6], [10.0, 89.7, 76.1]),
    row('wideResNet', 0.9, [10.0, 0.0, 34.3], [10.0, 87.6, 64.4]),
  ],
}

/** MixTrain, weights pruned. */
export const table4: PrunedTable = {
  where: 'Table 4, section 6.2',
  rows: [
    row('cifarLarge', 0.5, [49.5, 6.5, 51.0], [68.3, 80.3, 73.3]),
    row('cifarLarge', 0.75, [34.2, 2.1, 48.6], [47.4, 82.0, 73.2]),
    row('cifarLarge', 0.9, [13.5, 2.0, 45.5], [10.8, 80.9, 66.9]),
    row('allCnn', 0.5, [42.5, 1.4, 34.1], [56.5, 66.0, 55.6]),
    row('allCnn', 0.75, [32.7, 0.0, 35.3], [36.1, 70.7, 53.7]),
    row('allCnn', 0.9, [17.0, 0.0, 34.2], [16.8, 68.9, 51.2]),
  ],
}

/** MixTrain, filters pruned. ALL-CNN at 90 % is left out there: some of its layers lose all filters. */
export const table5: PrunedTable = {
  where: 'Table 5, section 6.2',
  rows: [
    row('cifarLarge', 0.5, [46.5, 3.5, 47.5], [68.4, 80.2, 72.7]),
    row('cifarLarge', 0.75, [32.5, 0.0, 44.5], [47.6, 80.2, 70.5]),
    row('cifarLarge', 0.9, [9.0, 0.0, 35.5], [24.1, 75.5, 59.5]),
    row('allCnn', 0.5, [11.9, 0.6, 35.6], [17.7, 67.5, 54.2]),
    row('allCnn', 0.75, [9.9, 0.0, 23.5], [10.0, 50.7, 36.8]),
  ],
}

/** VRA of CIFAR-large, pre-trained with k = 10, weights pruned, fine-tuned with k = 1 and with k = 10. */
export const table1 = {
  where: 'Table 1, section 5.2',
  sparsities: [0.5, 0.72, 0.84, 0.9, 0.92, 0.95, 0.98],
  vra: {
    1: [50.5, 43.5, 43.5, 41.5, 39.5, 34.5, 19.0],
    10: [51.0, 47.0, 48.5, 45.5, 41.0, 40.5, 28.5],
  },
} as const

/** Filters of VGG16 pruned and fine-tuned, against networks of the same widths trained from scratch. */
export interface ScratchRow {
  readonly sparsity: number
  readonly accuracy: { readonly scratch: number; readonly tuned: number }
  readonly era?: { readonly scratch: number; readonly tuned: number }
}

/** Adversarial training. Its 75.5 at 75 % is 78.5 in table 3. */
export const table6: { readonly where: string; readonly rows: readonly ScratchRow[] } = {
  where: 'Table 6, section 7',
  rows: [
    { sparsity: 0.5, accuracy: { scratch: 78.3, tuned: 80.5 }, era: { scratch: 44.9, tuned: 45.3 } },
    { sparsity: 0.75, accuracy: { scratch: 72.1, tuned: 75.5 }, era: { scratch: 42.7, tuned: 47.6 } },
    { sparsity: 0.9, accuracy: { scratch: 59.2, tuned: 69.0 }, era: { scratch: 37.8, tuned: 41.6 } },
  ],
}

/** Natural training. */
export const table7: { readonly where: string; readonly rows: readonly ScratchRow[] } = {
  where: 'Table 7, appendix C',
  rows: [
    { sparsity: 0.5, accuracy: { scratch: 92.7, tuned: 93.8 } },
    { sparsity: 0.75, accuracy: { scratch: 89.9, tuned: 91.8 } },
    { sparsity: 0.9, accuracy: { scratch: 84.7, tuned: 88.9 } },
  ],
}

/** Figure 1 as its text tells it: the pruning ratio, in percent, at which a metric has lost 5 % of its value. */
export const figure1 = {
  where: 'Figure 1, section 5.1',
  lostAt: {
    vgg16: {
      unstructured: { accuracy: 59, robust: 49 },
      filter: { accuracy: 34, robust: 28 },
    },
    cifarLarge: {
      unstructured: { accuracy: 49, robust: 49 },
      filter: { accuracy: 49, robust: 49 },
    },
  },
} as const

/** Figure 3: VRA before and after five epochs of natural fine-tuning without pruning. */
export const figure3 = { where: 'Figure 3, section 5.2', before: 51, after: 6.5, epochs: 5 } as const

/** Figure 4: share of the weights whose natural and verifiably robust gradients have opposite signs. */
export const figure4 = { where: 'Figure 4, section 5.2', share: 52 } as const

/** Captions of figure 9: CIFAR-large before pruning, by its pre-training. */
export const figure9 = {
  where: 'Figure 9, appendix B',
  natural: { vra: 0.0, accuracy: 81.4, era: 0.1 },
  adversarial: { vra: 0.0, accuracy: 83.2, era: 69.3 },
  mixTrain: { vra: 51.0, accuracy: 73.4, era: 62.0 },
} as const

/**
 * What is kept at a compression of ten times, in percent of the dense network's. The abstract and section 1 give the
 * first triple without a structure; it is the mean of tables 2 and 4 (weights). The conclusion calls it that of
 * structured pruning, and gives the second besides, which does not follow from tables 3 and 5.
 */
export const kept = {
  where: 'Abstract and section 8',
  first: { accuracy: 93, era: 92.5, vra: 85 },
  second: { accuracy: 84.3, era: 90.4, vra: 73.8 },
} as const
