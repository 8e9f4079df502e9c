// Compares Coppice's attacks with AutoAttack as its authors publish it (github.com/fra31/auto-attack), on identical
// weights: what they break, image by image, and how long they take.
//   node bench/attack/run.mjs --reference auto-attack --python python3 --data cifar-10-batches-bin \
//     --model cifar-large=runs/attack-cifar-large/checkpoints/dense.safetensors --images 200
// Every trial is a process of its own, whose answer is kept in OUTPUT/trials; one that is there is not made again. The
// tables are of all trials there that both sides have made.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const PARTS = ['apgd-ce', 'apgd-t', 'fab-t', 'square']
const { values } = parseArgs({
  options: {
    reference: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    data: { type: 'string' },
    model: { type: 'string' },
    images: { type: 'string', default: '200' },
    // `autoattack` among them: the cascade.
    attacks: { type: 'string', default: PARTS.join() },
    threads: { type: 'string', default: '1' },
    output: { type: 'string', default: 'results/attack' },
  },
})
const trials = join(values.output, 'trials')
mkdirSync(trials, { recursive: true })
const programs = {
  coppice: [process.execPath, join(import.meta.dirname, 'coppice.mjs')],
  reference: [values.python, join(import.meta.dirname, 'reference.py')],
}

/** Has a program answer a request, unless its answer is kept. */
const make = (program, network, model, attack) => {
  const path = join(trials, `${network}-${attack}-${program}.json`)
  if (existsSync(path)) return
  const attacks = attack === 'autoattack' ? PARTS : [attack]
  const [images, threads] = [Number(values.images), Number(values.threads)]
  const request = { images, attacks, epsilon: 8 / 255, batch: 250, threads, seed: 0 }
  const [command, script] = programs[program]
  const told = JSON.stringify({ ...request, model, reference: values.reference, data: values.data })
  const answer = JSON.parse(execFileSync(command, [script, told], { encoding: 'utf8' }))
  writeFileSync(path, `${JSON.stringify({ request, ...answer })}\n`)
}

if (values.model !== undefined) {
  const [network, path] = values.model.split('=')
  for (const attack of values.attacks.split(','))
    for (const program of Object.keys(programs)) make(program, network, path, attack)
}

/** The labels of CIFAR-10's test images: the first byte of each record. */
const records = readFileSync(join(values.data, 'test_batch.bin'))
const labelOf = (image) => records[image * 3073]

const sum = (numbers) => numbers.reduce((all, number) => all + number, 0)
/** Seconds of a trial; the reference's are told attack by attack. */
const total = ({ stages, ...answer }, key) => (stages ? sum(stages.map((stage) => stage[key])) : answer[key])
const stands = ({ predictions, brokenBy }, image) =>
  predictions[image] === labelOf(image) && brokenBy[image] === null

const compared = (network, attack, ours, theirs) => {
  const count = (test) => theirs.predictions.filter((_, image) => test(image)).length
  const [mine, other] = [ours, theirs].map((side) => (image) => stands(side, image))
  return {
    ...{ network, attack, images: theirs.predictions.length, torch: theirs.torch },
    right: count((image) => ours.predictions[image] === labelOf(image)),
    stand: { coppice: count(mine), reference: count(other) },
    sameVerdict: count((image) => mine(image) === other(image)),
    brokenByCoppiceAlone: count((image) => other(image) && !mine(image)),
    brokenByReferenceAlone: count((image) => mine(image) && !other(image)),
    cpuSeconds: { coppice: total(ours, 'cpuSeconds'), reference: total(theirs, 'cpuSeconds') },
  }
}

/** What one of several attacks breaks: what their cascade does. */
const union = (answers) => ({
  ...answers[0],
  brokenBy: answers[0].brokenBy.map(
    (_, image) => answers.map(({ brokenBy }) => brokenBy[image]).find(Boolean) ?? null,
  ),
  stages: answers.map((answer) => ({ cpuSeconds: total(answer, 'cpuSeconds') })),
})

const read = (network, attack, program) =>
  JSON.parse(readFileSync(join(trials, `${network}-${attack}-${program}.json`), 'utf8'))
const names = new Set(readdirSync(trials).map((name) => name.replace(/-(coppice|reference)\.json$/, '')))
const rows = []
for (const network of new Set(
  [...names].map((name) =>
    PARTS.reduce((rest, part) => rest.replace(`-${part}`, ''), name.replace('-autoattack', '')),
  ),
)) {
  const both = [...PARTS, 'autoattack'].filter((attack) =>
    Object.keys(programs).every((program) =>
      existsSync(join(trials, `${network}-${attack}-${program}.json`)),
    ),
  )
  const sides = both.map((attack) => [read(network, attack, 'coppice'), read(network, attack, 'reference')])
  rows.push(...sides.map(([ours, theirs], place) => compared(network, both[place], ours, theirs)))
  const alone = sides.slice(0, both.filter((attack) => attack !== 'autoattack').length)
  if (alone.length > 1) {
    const [ours, theirs] = [0, 1].map((side) => union(alone.map((pair) => pair[side])))
    rows.push(compared(network, `one of these ${alone.length}`, ours, theirs))
  }
}

const percent = (part, whole) => ((100 * part) / whole).toFixed(1)
const line = ({ network, attack, images, right, stand, sameVerdict, cpuSeconds: cpu, ...row }) => {
  const cells = [
    ...[network, attack, images, percent(right, images)],
    ...[percent(stand.coppice, images), percent(stand.reference, images)],
    ...[`${sameVerdict} of ${images}`, `${row.brokenByCoppiceAlone} / ${row.brokenByReferenceAlone}`],
    ...[cpu.coppice.toFixed(1), cpu.reference.toFixed(1), `${(cpu.reference / cpu.coppice).toFixed(1)}×`],
  ]
  return `| ${cells.join(' | ')} |`
}
const text = `# Attacks beside AutoAttack's own code

ε 8/255, the first test images of CIFAR-10, identical weights, batches of 250, seed 0, one thread; the reference runs eagerly on PyTorch ${rows[0].torch}. *CPU s*: seconds of processor time. *One of these*: what any of the attacks breaks alone, as their cascade would, and the sum of their times.

| network | attack | images | benign % | ERA % | reference's ERA % | same verdict | broken by Coppice / the reference alone | CPU s | reference's CPU s | |
|---|---|---|---|---|---|---|---|---|---|---|
${rows.map(line).join('\n')}

Made by \`node bench/attack/run.mjs\`, whose first lines say how; the answers of both sides image by image are in [trials](trials).
`
writeFileSync(join(values.output, 'comparison.json'), `${JSON.stringify(rows, null, 2)}\n`)
writeFileSync(join(values.output, 'comparison.md'), text)
process.stdout.write(text)
