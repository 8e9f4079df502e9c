import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pretrained, pretrainedModels, pretrainedNames } from '../../lib/models/pretrained.js'
import { readCard } from '../../lib/report/card.js'
import { outcomeFolder } from '../../lib/runs/models.js'
import { coppice } from '../cli/command.js'
import { temporaryFolder } from '../helpers.js'

describe('networks that come with Coppice', () => {
  it('load, and are what their cards say', async () => {
    expect(pretrainedNames()).toContain('cifarLarge-mixTrain-90')
    for (const { name, card: file } of pretrainedModels()) {
      const { sparsity, run } = await readCard(file)
      using network = await pretrained(name)
      expect(network.spec.input).toEqual([3, 32, 32])
      expect(await network.sparsity()).toBe(sparsity)
      expect(run.row.sparsity).toBe(sparsity)
      expect(run.row.n).toBe(1000)
    }
  })

  it('are listed, and go by name where a model file goes', async () => {
    const { code, stdout } = await coppice('models', '--json')
    expect(code).toBe(0)
    const listed = JSON.parse(stdout) as { name: string; path: string }[]
    expect(listed.map(({ name }) => name)).toEqual(pretrainedNames())
    for (const { name, path } of listed) {
      const byName = await coppice('describe', name, '--json')
      expect(byName).toEqual(await coppice('describe', path, '--json'))
      expect(byName.code).toBe(0)
    }
  })

  it('are never written beside', async () => {
    for (const { path } of pretrainedModels()) {
      expect(outcomeFolder(path, 'verification')).toBe('.')
      expect(outcomeFolder(resolve(temporaryFolder(), 'mine.safetensors'), 'evaluation')).not.toBe('.')
    }
    const output = resolve(temporaryFolder(), 'verdicts.jsonl')
    const args = ['--data', 'builtin', '--images', '4', '--verifier', 'interval', '-o', output]
    expect(await coppice('verify', 'allCnn-quarter-mixTrain-90', ...args)).toMatchObject({ code: 0 })
    expect(existsSync(output)).toBe(true)
  })

  it('are refused in one line where the name is another', async () => {
    for (const name of ['cifarLarge-mixTrain-9', '', '..', '../models/cifarLarge-mixTrain-90', '__proto__']) {
      await expect(pretrained(name)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringMatching(/^[^\n]*cifarLarge-mixTrain-90[^\n]*$/) as string,
      })
    }
    const wrong = await coppice('evaluate', 'cifarLarge-mixTrain-9', '--data', 'builtin')
    expect(wrong).toMatchObject({ code: 1, stdout: '' })
    expect(wrong.stderr).toMatch(/^coppice: [^\n]*did you mean "cifarLarge-mixTrain-90"\?\n$/)
    const run = await coppice(
      'evaluate',
      'cifarLarge-mixTrain-90',
      '--data',
      'builtin',
      '--checkpoint',
      'dense',
    )
    expect(run).toMatchObject({ code: 2, stdout: '' })
  })
})
