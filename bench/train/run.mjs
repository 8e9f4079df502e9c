// One adversarial PGD-10 training step, Coppice against plain PyTorch: node bench/train/run.mjs [--python PYTHON]
//   [--device cpu] [--threads 2] [--trials 3] [--steps 3] [--batch 128] [--networks vgg16,cifarLarge]
// Each trial is a process of its own; the sides take turns; PyTorch runs channels last and contiguous and its faster
// setting counts. Writes results.json and results.md beside this file.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { networkSpec } from '../../dist/lib/networks/index.js'

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    device: { type: 'string', default: 'cpu' },
    threads: { type: 'string', default: String(cpus().length) },
    trials: { type: 'string', default: '3' },
    steps: { type: 'string', default: '3' },
    batch: { type: 'string', default: '128' },
    networks: { type: 'string', default: 'vgg16,cifarLarge' },
  },
})
const { python, device, threads, steps, batch } = options
const here = import.meta.dirname

function trial(command, args) {
  const output = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  return JSON.parse(output.trim().split('\n').at(-1))
}

/** PyTorch builds the same network from its spec. */
const specs = mkdtempSync(join(tmpdir(), 'coppice-bench-'))
process.once('exit', () => rmSync(specs, { recursive: true, force: true }))
const specFile = (network) => {
  const file = join(specs, `${network}.json`)
  writeFileSync(file, JSON.stringify(networkSpec(network)))
  return file
}

const sides = (network, precision) => ({
  coppice: () =>
    trial(process.execPath, [join(here, 'coppice.mjs'), network, precision, steps, batch, threads, device]),
  ...Object.fromEntries(
    ['channelsLast', 'contiguous'].map((layout) => [
      `pytorch ${layout}`,
      () =>
        trial(python, [
          ...[join(here, 'pytorch.py'), specFile(network), precision, layout],
          ...[steps, batch, threads, device],
        ]),
    ]),
  ),
})

const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const rows = []
let torch = ''
for (const network of options.networks.split(','))
  for (const precision of ['fp32', 'bf16']) {
    const runs = sides(network, precision)
    const found = Object.fromEntries(
      Object.keys(runs).map((side) => [side, { milliseconds: [], peakBytes: 0 }]),
    )
    for (let i = 0; i < Number(options.trials); ++i)
      for (const [side, run] of Object.entries(runs)) {
        const result = run()
        found[side].milliseconds.push(...result.milliseconds)
        found[side].peakBytes = Math.max(found[side].peakBytes, result.peakBytes)
        if (side !== 'coppice') torch = result.torch
      }
    const summary = (side) => ({
      side,
      median: median(found[side].milliseconds),
      fastest: Math.min(...found[side].milliseconds),
      slowest: Math.max(...found[side].milliseconds),
      peakMiB: Math.round(found[side].peakBytes / 2 ** 20),
    })
    const coppice = summary('coppice')
    const pytorch = ['pytorch channelsLast', 'pytorch contiguous']
      .map(summary)
      .toSorted((a, b) => a.median - b.median)[0]
    rows.push({ network, precision, coppice, pytorch, ratio: pytorch.median / coppice.median })
    console.error(`${network} ${precision}: ${(pytorch.median / coppice.median).toFixed(2)}x`)
  }

const hardware = device === 'cpu' ? `${cpus()[0].model}, ${threads} threads` : device
const command = `node bench/train/run.mjs ${process.argv
  .slice(2)
  .join(' ')
  .replace(/--python \S+/, '--python PYTHON')}`.trim()
writeFileSync(
  join(here, 'results.json'),
  `${JSON.stringify({ command, hardware, torch, batch, rows }, null, 2)}\n`,
)
const ms = (side) => `${side.median.toFixed(0)} (${side.fastest.toFixed(0)}–${side.slowest.toFixed(0)})`
const table = `# One adversarial PGD-10 training step

\`${command}\`
${hardware}; torch ${torch}; batch ${batch}; median (fastest–slowest) of ${3 * Number(options.trials)} means of ${steps} steps, in ${options.trials} processes a side, taking turns.
PyTorch: eager, autocast for bf16, the faster of channels last and contiguous.

| network | precision | Coppice ms | PyTorch ms | ratio | Coppice peak MiB | PyTorch peak MiB |
|---|---|---|---|---|---|---|
${rows.map((r) => `| ${r.network} | ${r.precision} | ${ms(r.coppice)} | ${ms(r.pytorch)} | ${r.ratio.toFixed(2)}× | ${r.coppice.peakMiB} | ${r.pytorch.peakMiB} |`).join('\n')}
`
writeFileSync(join(here, 'results.md'), table)
console.log(table)
