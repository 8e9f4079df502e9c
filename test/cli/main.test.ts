import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { version } from '../../lib/base/version.js'
import { networkNames } from '../../lib/networks/index.js'
import type { RunResult } from '../../lib/runs/result.js'
import { temporaryFolder } from '../helpers.js'
import { commandFile, coppice, startCoppice } from './command.js'

const RECIPE = `
data: { set: builtin, train: 96, test: 40 }
network: { name: cifarLarge, scale: 0.05 }
pretrain: { objective: { kind: adversarial, steps: 1 }, epochs: 1, batchSize: 32 }
prune: { sparsity: 0.5, structure: filter, steps: 1, epochsPerStep: 1 }
`
let file: string
beforeAll(() => {
  file = join(temporaryFolder('file'), 'small.yaml')
  writeFileSync(file, RECIPE)
})

describe('coppice', () => {
  it('shows help without arguments, and its version', async () => {
    const help = await coppice()
    expect(help).toMatchObject({ code: 0, stderr: '' })
    for (const command of ['run', 'resume', 'evaluate', 'describe', 'compact', 'import', 'data', 'doctor']) {
      expect(help.stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
    }
    expect((await coppice('--version')).stdout.trim()).toBe(version)
  })

  it.each([
    [['evalute'], 2, /unknown command 'evalute'.*evaluate/],
    [['describe', 'vgg61'], 2, /did you mean "vgg16"/],
    [['describe', 'vgg16', '--scael', '2'], 2, /unknown option '--scael'.*--scale/],
    [['evaluate', 'x', '--epsilon', '3'], 2, /--epsilon.*'3'/],
    [['run', 'nowhere.yaml'], 1, /nowhere\.yaml: there is no such file/],
    [['run'], 2, /missing required argument 'recipe'/],
    [['resume', '/nowhere'], 1, /\/nowhere does not exist/],
    [['evaluate', '/nowhere'], 1, /no such model or run/],
    [['compact', '/nowhere', '-o', 'x'], 1, /no such model or run/],
  ])('ends %j with code %i and one line that says why', async (args, code, message) => {
    const ended = await coppice(...args)
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).toMatch(/^coppice: [^\n]*\n$/)
    expect(ended.stderr).toMatch(message)
  })

  it('shows where an error came from when asked', async () => {
    const { stderr } = await coppice('describe', 'vgg61')
    expect(stderr).not.toContain(' at ')
  })
})

describe('coppice describe', () => {
  it.each([
    ['vgg16', 15_311_818],
    ['wideResNet-28-5', 9_132_634],
    ['wideResNet-28-10', 36_479_194],
    ['cifarLarge', 2_466_858],
    ['allCnn', 1_369_738],
  ])('counts the parameters of %s', async (name, parameters) => {
    expect(networkNames).toContain(name)
    const described = JSON.parse((await coppice('describe', name, '--json')).stdout)
    expect(described.parameters).toBe(parameters)
    const sum = (key: string) =>
      described.nodes.reduce((total: number, node: Record<string, number>) => total + (node[key] ?? 0), 0)
    expect([sum('parameters'), sum('macs')]).toEqual([described.parameters, described.macs])
  })
})

describe('coppice run', () => {
  it('carries out a recipe; what it leaves can be evaluated, described and compacted', async () => {
    const folder = temporaryFolder()
    const run = join(folder, 'run')
    const ended = await coppice(
      'run',
      file,
      '-o',
      run,
      '--json',
      '--seed',
      '4',
      '--set',
      'evaluate.images=30',
    )
    expect(ended.code).toBe(0)
    const result = JSON.parse(ended.stdout) as RunResult
    expect(result).toMatchObject({
      seed: 4,
      rows: [
        { name: 'dense', n: 30 },
        { name: 'matched-50', n: 30 },
      ],
    })
    expect(JSON.parse(readFileSync(join(run, 'result.json'), 'utf8'))).toEqual(result)

    const again = await coppice('run', file, '-o', run)
    expect(again).toMatchObject({ code: 1, stdout: '' })
    expect(again.stderr).toContain(`coppice resume ${run}`)
    const finished = await coppice('resume', run, '--json')
    expect(JSON.parse(finished.stdout)).toEqual(result)

    const evaluated = await coppice('evaluate', run, '--images', '30', '--seed', '4', '--json')
    const { models, attack } = JSON.parse(evaluated.stdout)
    expect(attack).toMatchObject({ epsilon: 8 / 255, steps: 1, restarts: 1 })
    expect(models.map((model: RunResult['rows'][0]) => [model.name, model.accuracy, model.era])).toEqual(
      result.rows.map((row) => [row.name, row.accuracy, row.era]),
    )

    const small = join(folder, 'small.safetensors')
    const compacted = await coppice('compact', run, '-o', small, '--json')
    const { before, after, logitDifference } = JSON.parse(compacted.stdout)
    expect(after.parameters).toBeLessThan(0.6 * before.parameters)
    expect(after.bytes).toBeLessThan(before.bytes)
    expect(logitDifference).toBeLessThanOrEqual(1e-5)
    expect(await coppice('compact', run, '-o', small)).toMatchObject({ code: 1 })
    const described = JSON.parse((await coppice('describe', small, '--json')).stdout)
    expect(described).toMatchObject({ parameters: after.parameters, sparsity: 0 })

    const outcomes = join(folder, 'outcomes.json')
    const one = await coppice(
      ...[
        'evaluate',
        small,
        '--data',
        'builtin',
        '--images',
        '20',
        '--attack',
        'pgd2x2',
        '--epsilon',
        '2/255',
      ],
      ...['--outcomes', outcomes],
    )
    expect(one.code).toBe(0)
    expect(one.stdout).toContain('PGD-2x2, eps 2/255')
    expect(JSON.parse(readFileSync(outcomes, 'utf8')).small.predictions).toHaveLength(20)
  })

  it.each([
    ['v32x2', 0.5],
    ['block', 0.5],
    ['2:4', 0.5],
  ])('prunes in the pattern %s, and tells it again from the model', async (structure, sparsity) => {
    const run = join(temporaryFolder(), 'run')
    const set = [`prune.structure=${structure}`, `prune.sparsity=${sparsity}`, 'network.scale=0.25']
    const ended = await coppice('run', file, '-o', run, ...set.flatMap((assignment) => ['--set', assignment]))
    expect(ended.code).toBe(0)
    expect(ended.stdout).toContain(`Pruned: ${structure}, by magnitude, scope layer.`)
    const model = join(run, 'checkpoints', 'matched-50.safetensors')
    const described = JSON.parse((await coppice('describe', model, '--json')).stdout)
    expect(described.patterns).toContain(structure)
    expect(Math.abs(described.sparsity - sparsity)).toBeLessThan(0.01)
    expect((await coppice('describe', model)).stdout).toMatch(/^Pruned in the pattern /m)
    const dense = await coppice('describe', join(run, 'checkpoints', 'dense.safetensors'))
    expect(dense.stdout).not.toContain('pattern')
  })

  it('names the structures, and the one that was meant', async () => {
    expect((await coppice('run', '--help')).stdout).toContain('unstructured, filter, v32x2, block, 2:4')
    const run = join(temporaryFolder(), 'run')
    const typo = await coppice('run', file, '-o', run, '--set', 'prune.structure=v32x')
    expect(typo).toMatchObject({ code: 2, stdout: '' })
    expect(typo.stderr).toContain('did you mean "v32x2"?')
    const beyond = await coppice(
      'run',
      file,
      '-o',
      run,
      '--set',
      'prune.structure=2:4',
      '--set',
      'prune.sparsity=0.9',
    )
    expect(beyond).toMatchObject({ stdout: '' })
    expect(beyond.stderr).toMatch(/^coppice: [^\n]*the target is at most 0\.5\n$/)
    expect(existsSync(run)).toBe(false)
  })

  it('names typing errors in a recipe, and writes nothing', async () => {
    const run = join(temporaryFolder(), 'run')
    const ended = await coppice('run', file, '-o', run, '--set', 'prune.sparsty=0.9')
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toBe('coppice: recipe.prune: unknown key "sparsty"; did you mean "sparsity"?\n')
    expect(existsSync(run)).toBe(false)
  })

  it('stops at Ctrl-C with code 130 and a line that says how to go on; and goes on', async () => {
    const run = join(temporaryFolder(), 'run')
    const { child, ended, line } = startCoppice('run', file, '-o', run, '--set', 'pretrain.epochs=100000')
    await line(/epoch 1:/)
    child.kill('SIGINT')
    const { code, stderr, stdout } = await ended
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' })
    expect(stderr.trim().split('\n').at(-1)).toBe(`coppice: interrupted; go on with: coppice resume ${run}`)
    expect(existsSync(join(run, 'lock'))).toBe(false)

    const again = startCoppice('resume', run)
    await again.line(/epoch \d+:/)
    again.child.kill('SIGTERM')
    const resumed = await again.ended
    expect(resumed.code).toBe(130)
    expect(resumed.stderr).not.toContain('epoch 1:')
  })

  it('ends in one line when the disk refuses, and goes on when it no longer does', async () => {
    const run = join(temporaryFolder(), 'run')
    // Files of more than 20 kB are refused: the first checkpoint is one.
    const command = `ulimit -f 20; exec "$0" "$@"`
    const args = [commandFile, 'run', file, '-o', run, '--set', 'finetune=none']
    const { status, stderr } = spawnSync('bash', ['-c', command, process.execPath, ...args], {
      encoding: 'utf8',
    })
    expect(status).toBe(1)
    expect(stderr.trim().split('\n').at(-1)).toMatch(
      /^coppice: cannot write .*safetensors: .* resume the run$/,
    )
    expect(await coppice('resume', run)).toMatchObject({ code: 0 })
  })

  it('lets only one process into a run directory', async () => {
    const run = join(temporaryFolder(), 'run')
    const first = startCoppice('run', file, '-o', run, '--set', 'pretrain.epochs=100000')
    await first.line(/epoch 1:/)
    const second = await coppice('resume', run)
    expect(second.code).toBe(1)
    expect(second.stderr).toContain(`is in use by process ${first.child.pid}`)
    first.child.kill('SIGKILL')
    await first.ended
  })
})
