// `node scripts/picture.mjs`: draws the README's picture, docs/finding.svg, from the committed result of
// recipes/cifar10-cpu.yaml.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { main, root, say } from './common.mjs'
import { compile } from './setup.mjs'

await main(async () => {
  await compile()
  const { chartSvg } = await import(join(root, 'dist/lib/report/chart.js'))
  const { keptChart } = await import(join(root, 'dist/lib/report/figures/kept.js'))
  const { readMaterial } = await import(join(root, 'dist/lib/report/material/find.js'))
  const chart = keptChart(await readMaterial([join(root, 'results/cifar10-cpu')]))
  writeFileSync(join(root, 'docs/finding.svg'), await chartSvg(chart))
  say('Written docs/finding.svg')
})
