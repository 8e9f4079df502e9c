// `node scripts/picture.mjs`: draws the README's picture, docs/finding.svg, from the committed result of
// recipes/cifar10-cpu.yaml.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { main, root, say } from './common.mjs'
import { compile } from './setup.mjs'

await main(async () => {
  await compile()
  const { chartSvg } = await import(join(root, 'dist/lib/report/chart.js'))
  const { keptChart } = await import(join(root, 'dist/lib/report/keptChart.js'))
  const result = JSON.parse(readFileSync(join(root, 'results/cifar10-cpu/result.json'), 'utf8'))
  const title = 'Pruned to a quarter: fine-tuned with its own objective, a network stays robust'
  const subtitle =
    'CIFAR-10, half-width CIFAR-large, 75 % of the weights pruned; ERA under PGD-10 at 8/255; n = 1000, 95 % intervals'
  writeFileSync(join(root, 'docs/finding.svg'), await chartSvg(keptChart(result, title, subtitle)))
  say('Written docs/finding.svg')
})
