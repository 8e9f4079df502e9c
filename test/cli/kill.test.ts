import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { hash32 } from '../../lib/base/hash.js'
import { temporaryFolder } from '../helpers.js'
import { coppice, startCoppice } from './command.js'

const recipe = {
  seed: 3,
  data: { set: 'builtin', train: 192, test: 32 },
  network: { name: 'wideResNet-10-1', scale: 0.25 },
  pretrain: { objective: { kind: 'adversarial', steps: 2 }, epochs: 4, batchSize: 32, rampEpochs: 1 },
  prune: { sparsity: 0.75, steps: 4, epochsPerStep: 2, milestones: [0.5] },
  finetune: ['none', 'natural', 'matched'],
  evaluate: { attack: { steps: 2 } },
}

const contents = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name)).toString('base64')]),
  )
const figures = (path: string) => ({
  ...JSON.parse(readFileSync(join(path, 'result.json'), 'utf8')),
  seconds: 0,
})

describe('kill -9', () => {
  it('at 20 random moments, resumed each time, leaves the weights of an uninterrupted run', {
    timeout: 240_000,
  }, async () => {
    const folder = temporaryFolder()
    const file = join(folder, 'recipe.json')
    writeFileSync(file, JSON.stringify(recipe))
    const [straight, killed] = [join(folder, 'straight'), join(folder, 'killed')]
    expect(await coppice('run', file, '-o', straight)).toMatchObject({ code: 0 })

    let kills = 0
    for (let finished = false; !finished; ) {
      const going = existsSync(join(killed, 'recipe.json'))
      const args = going ? ['resume', killed] : ['run', file, '-o', killed]
      // A checkpoint after every batch, so that many of the kills come in the middle of writing one.
      const { child, ended, line } = startCoppice(...args, '--checkpoint-seconds', '0')
      if (kills < 20) {
        await line(/^(run directory|going on)/m)
        await delay(hash32(kills) % 250)
        child.kill('SIGKILL')
      }
      const { code, signal, stderr } = await ended
      if (signal === 'SIGKILL') kills++
      else expect({ code, stderr }).toMatchObject({ code: 0 })
      finished = code === 0
    }
    expect(kills).toBe(20)
    expect(contents(join(killed, 'checkpoints'))).toEqual(contents(join(straight, 'checkpoints')))
    expect(contents(join(killed, 'outcomes'))).toEqual(contents(join(straight, 'outcomes')))
    expect(figures(killed)).toEqual(figures(straight))
  })
})
