// Compares Coppice's attacks with AutoAttack as its authors publish it (github.com/fra31/auto-attack), on identical
// weights: what they break, image by image, each attack alone and all as a cascade, and how long they take.
//   node bench/attack/run.mjs --reference auto-attack --python python3 --data cifar-10-batches-bin \
//     --model cifar-large=runs/attack-cifar-large/checkpoints/dense.safetensors,200,500 --output results/attack
// Behind the path: images for each attack alone, and for the cascade.
// Every trial is a process of its own, whose answer is kept in OUTPUT/trials; one that is there is not made again.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    reference: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    data: { type: 'string' },
    model: { type: 'string', multiple: true },
    alone: { type: 'string', default: '200' },
    cascade: { type: 'string', default: '500' },
    threads: { type: 'string', default: '1' },
    output: { type: 'string', default: 'results/attack' },
  },
})
const PARTS = ['apgd-ce', 'apgd-t', 'fab-t', 'square']
const folder = fileURLToPath(new URL('.', import.meta.url))
const trials = join(values.output, 'trials')
mkdirSync(trials, { recursive: true })

/** The answer of one program to a request: kept, or made now. */
const trial = (program, name, request) => {
  const path = join(trials, `${name}-${program}.json`)
  if (!existsSync(path)) {
    const [command, script] = {
      coppice: [process.execPath, join(folder, 'coppice.mjs')],
      reference: [values.python, join(folder, 'reference.py')],
    }[program]
    const told = { ...request, reference: values.reference, data: values.data }
    const answer = JSON.parse(execFileSync(command, [script, JSON.stringify(told)], { encoding: 'utf8' }))
    const { model: _, ...settings } = request
    writeFileSync(path, `${JSON.stringify({ request: settings, ...answer })}\n`)
  }
  return JSON.parse(readFileSync(path, 'utf8'))
}

/** The labels of CIFAR-10's test images: the first byte of each record. */
const records = readFileSync(join(values.data, 'test_batch.bin'))
const labelOf = (image) => records[image * 3073]

const sum = (numbers) => numbers.reduce((all, number) => all + number, 0)
/** Seconds of a trial; the reference's are told attack by attack. */
const total = ({ stages, ...answer }, key) => (stages ? sum(stages.map((stage) => stage[key])) : answer[key])

const compare = (network, path, attacks, images) => {
  const request = { model: path, images, attacks, epsilon: 8 / 255, batch: 250, seed: 0 }
  const attack = attacks.length > 1 ? 'autoattack' : attacks[0]
  const [ours, theirs] = ['coppice', 'reference'].map((program) =>
    trial(program, `${network}-${attack}`, { ...request, threads: Number(values.threads) }),
  )
  const count = (test) => theirs.predictions.filter((_, image) => test(image)).length
  const broke = ({ brokenBy }, image) => brokenBy[image] !== null
  const stands = (side, image) => side.predictions[image] === labelOf(image) && !broke(side, image)
  const [mine, other] = [ours, theirs].map((side) => (image) => stands(side, image))
  return {
    ...{ network, attack, images: theirs.predictions.length, torch: theirs.torch },
    right: count((image) => ours.predictions[image] === labelOf(image)),
    stand: { coppice: count(mine), reference: count(other) },
    sameVerdict: count((image) => mine(image) === other(image)),
    brokenByCoppiceAlone: count((image) => other(image) && !mine(image)),
    brokenByReferenceAlone: count((image) => mine(image) && !other(image)),
    cpuSeconds: { coppice: total(ours, 'cpuSeconds'), reference: total(theirs, 'cpuSeconds') },
    seconds: { coppice: total(ours, 'seconds'), reference: total(theirs, 'seconds') },
  }
}

const rows = values.model.flatMap((model) => {
  const [network, path, alone = values.alone, cascade = values.cascade] = model.split(/[=,]/)
  return [
    ...PARTS.map((part) => compare(network, path, [part], Number(alone))),
    compare(network, path, PARTS, Number(cascade)),
  ]
})

const percent = (part, whole) => ((100 * part) / whole).toFixed(1)
const line = (row) => {
  const { network, attack, images, right, stand, sameVerdict, cpuSeconds: cpu } = row
  const cells = [
    ...[network, attack, images, percent(right, images)],
    ...[percent(stand.coppice, images), percent(stand.reference, images)],
    `${sameVerdict} of ${images}`,
    `${row.brokenByCoppiceAlone} / ${row.brokenByReferenceAlone}`,
    ...[cpu.coppice.toFixed(1), cpu.reference.toFixed(1), `${(cpu.reference / cpu.coppice).toFixed(1)}×`],
  ]
  return `| ${cells.join(' | ')} |`
}
const text = `# Attacks against AutoAttack's own code

ε 8/255, CIFAR-10's first test images, identical weights, batches of 250, seed 0; ${values.threads} thread each of ${cpus()[0].model}, PyTorch ${rows[0].torch} eager on the reference's side. *CPU s*: seconds of processor time, which a busy machine disturbs less than time by the clock; both are in comparison.json.

| network | attack | images | benign % | ERA % | reference's ERA % | same verdict | broken by Coppice / the reference alone | CPU s | reference's CPU s | |
|---|---|---|---|---|---|---|---|---|---|---|
${rows.map(line).join('\n')}

Made by \`node bench/attack/run.mjs\`, whose first lines say how; the answers of both sides image by image are in trials/.
`
writeFileSync(join(values.output, 'comparison.json'), `${JSON.stringify(rows, null, 2)}\n`)
writeFileSync(join(values.output, 'comparison.md'), text)
process.stdout.write(text)
