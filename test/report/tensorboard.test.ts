import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { crc32, crc32c } from '../../lib/files/crc32.js'
import { TensorBoardLog } from '../../lib/report/tensorboard.js'
import { temporaryFolder } from '../helpers.js'

const NAMES = {
  'pre-training/loss': [1, 0.5],
  'natural/sparsity': [0.75],
  'evaluation/dense/ERA': [31],
} as const

const write = (): string => {
  const folder = temporaryFolder()
  const log = new TensorBoardLog(folder)
  log.recipe('{"name":"made up"}')
  log.event({ event: 'start', identity: 'x' })
  log.event({ event: 'epoch', epoch: 1, loss: 1, accuracy: 50, learningRate: 0.1 })
  log.event({ event: 'epoch', epoch: 2, loss: 0.5, accuracy: 60, learningRate: 0.1 })
  log.event({ event: 'step', branch: 'natural', step: 1, steps: 1, sparsity: 0.75 })
  log.event({ event: 'evaluation', name: 'dense', accuracy: { value: 53 }, era: { value: 31 } })
  return folder
}

const READ = `
import sys, json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1]); events.Reload(); tags = events.Tags()
print(json.dumps({
  'scalars': {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags['scalars']},
  'texts': {tag: events.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in tags['tensors']}}))`

const python = process.env.COPPICE_PYTHON
const has = (module: string): boolean => {
  try {
    execFileSync(python ?? '', ['-c', `import ${module}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe('event files', () => {
  it('have checksums as published', () => {
    // RFC 3720, appendix B.4, and the check values of both checksums.
    expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa)
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe306_9283)
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf4_3926)
  })

  it('are records whose lengths add up', () => {
    const folder = write()
    const [name = ''] = readdirSync(folder)
    expect(name).toMatch(/^events\.out\.tfevents\.\d+\./)
    const bytes = readFileSync(join(folder, name))
    let records = 0
    let at = 0
    for (; at < bytes.length; records++) at += 16 + Number(bytes.readBigUInt64LE(at))
    expect(at).toBe(bytes.length)
    // The version, the recipe, two epochs, a step, an evaluation.
    expect(records).toBe(6)
    expect(bytes.toString('latin1')).toContain('brain.Event:2')
  })

  it.skipIf(python === undefined || !has('tensorboard'))(
    "are read by TensorBoard's own reader (skipped without COPPICE_PYTHON and its tensorboard)",
    () => {
      const { scalars, texts } = JSON.parse(execFileSync(python ?? '', ['-c', READ, write()]).toString())
      for (const [tag, values] of Object.entries(NAMES))
        expect(scalars[tag].map(([, value]: [number, number]) => value)).toEqual(values)
      expect(scalars['pre-training/loss'].map(([step]: [number]) => step)).toEqual([1, 2])
      expect(texts.recipe).toContain('made up')
    },
  )
})
