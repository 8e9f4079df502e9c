import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { pretrained, pretrainedFiles, pretrainedNames } from '../../lib/models/published.js'
import { readCard } from '../../lib/report/card.js'
import { coppice } from '../cli/command.js'

describe('networks that come with Coppice', () => {
  it('load, and are what their cards say', async () => {
    const names = pretrainedNames()
    expect(names).toContain('cifarLarge-mixTrain-90')
    for (const name of names) {
      const files = pretrainedFiles(name)
      const card = await readCard(files?.card ?? '')
      expect(existsSync(files?.model ?? '')).toBe(true)
      using network = await pretrained(name)
      expect(network.spec.input).toEqual([3, 32, 32])
      const layers = network.layers
      const pruned = layers.reduce(
        (sum, { sparsity, shape }) => sum + sparsity * shape.reduce((a, b) => a * b),
        0,
      )
      const total = layers.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0)
      expect(pruned / total).toBeCloseTo(card.sparsity, 10)
      expect(card.run.row.accuracy.n).toBeGreaterThanOrEqual(300)
    }
  })

  it('are listed, and go by name where a model file goes', async () => {
    const { code, stdout } = await coppice('models', '--json')
    expect(code).toBe(0)
    const listed = JSON.parse(stdout) as { name: string }[]
    expect(listed.map(({ name }) => name)).toEqual(pretrainedNames())
    expect(await coppice('describe', 'cifarLarge-mixTrain-90')).toMatchObject({ code: 0 })
  })

  it('are refused in one line where the name is another', async () => {
    await expect(pretrained('cifarLarge-mixTrain-9')).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('cifarLarge-mixTrain-90') as string,
    })
    const ended = await coppice('evaluate', 'nothing-of-the-kind', '--data', 'builtin')
    expect(ended.code).not.toBe(0)
    expect(ended.stderr.trim().split('\n')).toHaveLength(1)
  })
})
