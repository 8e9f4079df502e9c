// Stage train: milliseconds of an adversarial PGD-10 step in bf16, Coppice against PyTorch in three modes and two
// layouts, and the ceiling: what the device's convolutions reach alone.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeNetwork } from '../../dist/lib/networks/describe.js'
import { networkSpec } from '../../dist/lib/networks/index.js'
import { median } from './results.mjs'
import { trial } from './trial.mjs'

const baseline = join(import.meta.dirname, '../train')
/** Forward passes whose multiply-adds a PGD-10 step has: 11 forward, 10 backward to pixels, one backward to both. */
const PASSES = 23

export default async ({ results, out, device, tiny, python, threads }) => {
  const networks = tiny ? ['cifarLarge'] : ['vgg16', 'resNet18', 'wideResNet-28-5', 'cifarLarge']
  const batches = tiny ? [16] : [128, 512]
  const scale = tiny ? 0.125 : 1
  const sees = `import torch; torch.zeros(1, device='${device}')`
  const torch = spawnSync(python, ['-c', sees]).status === 0
  const specs = join(out, 'specs')
  mkdirSync(specs, { recursive: true })
  if (!torch) {
    await results.row('PyTorch', () => ({ skipped: `${python} has no torch that sees ${device}` }))
  } else {
    await results.row('ceiling', () =>
      trial(python, [join(import.meta.dirname, 'ceiling.py'), tiny ? '8' : '512', device], results.left()),
    )
  }

  const measure = (network, batch, side, command, args) =>
    results.row(`${network}, batch ${batch}, ${side}`, async () => {
      const found = await trial(command, args, results.left())
      const { macs, parameters } = describeNetwork(networkSpec(network, { scale }))
      if (found.parameters !== parameters)
        throw new Error(`${side} has ${found.parameters} parameters instead of ${parameters}`)
      const milliseconds = median(found.milliseconds)
      return {
        ...{ network, batch, side, milliseconds, all: found.milliseconds },
        epochSeconds: (Math.ceil(50_000 / batch) * milliseconds) / 1000,
        teraflops: (2 * PASSES * macs * batch) / milliseconds / 1e9,
        peakBytes: found.peakBytes,
        ...(found.replayed !== undefined && { replayed: found.replayed }),
      }
    })
  const stepsFor = (network) => (tiny ? '1' : network === 'cifarLarge' ? '200' : '20')
  // What matters most first: Coppice and the layouts that suit each mode, then the other layouts.
  const sides = [
    ...['eager', 'compile', 'max-autotune'].map((mode) => ({ mode, layout: 'channelsLast' })),
    ...['eager', 'compile', 'max-autotune'].map((mode) => ({ mode, layout: 'contiguous' })),
  ].filter(({ mode }) => !tiny || mode === 'eager')
  for (const network of networks)
    for (const batch of batches) {
      const run = [stepsFor(network), String(batch), String(threads), device]
      const own = [join(baseline, 'coppice.mjs'), network, 'bf16', ...run, String(scale)]
      await measure(network, batch, 'Coppice', process.execPath, own)
    }
  if (!torch) return
  for (const { mode, layout } of sides)
    for (const network of networks) {
      const spec = join(specs, `${network}.json`)
      writeFileSync(spec, JSON.stringify(networkSpec(network, { scale })))
      for (const batch of batches) {
        const run = [stepsFor(network), String(batch), String(threads), device]
        const args = [join(baseline, 'pytorch.py'), spec, 'bf16', layout, ...run, mode]
        await measure(network, batch, `PyTorch ${mode} ${layout}`, python, args)
      }
    }
}
