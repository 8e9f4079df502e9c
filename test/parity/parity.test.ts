import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readSafetensors } from '../../lib/files/safetensors.js'
import { networkSpec } from '../../lib/networks/index.js'
import { everyOperation } from './everyOperation.js'
import { coppiceAnswers, handOver, relativeError } from './handOver.js'
import { pythonWithTorch, reference } from './pytorch.js'

const fixtures = join(__dirname, '../fixtures')

const python = pythonWithTorch()

// COPPICE_RECORD=1 npx vitest run test/parity   writes the recorded answers anew (needs a Python with PyTorch).
it.runIf(process.env.COPPICE_RECORD)('records', async () => {
  for (const type of ['float64', 'float32'] as const) {
    const input = join(fixtures, `parity-${type}.safetensors`)
    await handOver(everyOperation, type, 6, input)
    reference(python ?? 'python3', input, join(fixtures, `parity-${type}.pytorch.safetensors`))
    expect(existsSync(input)).toBe(true)
  }
})

describe('a network with every operation gives what PyTorch gives', () => {
  for (const type of ['float64', 'float32'] as const)
    it(`in ${type}, on answers recorded from PyTorch`, async () => {
      const ours = await coppiceAnswers(join(fixtures, `parity-${type}.safetensors`))
      const theirs = (await readSafetensors(join(fixtures, `parity-${type}.pytorch.safetensors`))).tensors
      expectAgreement(ours, theirs, type)
    })
})

const folder = mkdtempSync(join(tmpdir(), 'coppice-parity-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe.skipIf(python === undefined)('with PyTorch at hand (skipped without a Python that has it)', () => {
  const cases = [
    ['cifarLarge', 'float64', 8],
    ['vgg16', 'float64', 4],
    ['wideResNet-10-1', 'float64', 4],
    ['resNet18', 'float64', 2, 0.25],
    ['cifarLarge', 'float32', 16],
    ['vgg16', 'float32', 16],
  ] as const
  for (const [name, type, batch, scale = 1] of cases)
    it(`${name} agrees in ${type}`, { timeout: 300_000 }, async () => {
      const input = join(folder, `${name}-${type}.safetensors`)
      const output = join(folder, `${name}-${type}.pytorch.safetensors`)
      await handOver(networkSpec(name, { scale }), type, batch, input)
      reference(python ?? '', input, output)
      expectAgreement(await coppiceAnswers(input), (await readSafetensors(output)).tensors, type)
    })
})

/**
 * float64: everything, trajectories included, within 1e-8. float32: logits and first gradients within 1e-4, the loss
 * that the attack with folded batch norm reaches within 1 %; longer fp32 trajectories diverge in PyTorch against itself.
 */
function expectAgreement(
  ours: Awaited<ReturnType<typeof coppiceAnswers>>,
  theirs: Awaited<ReturnType<typeof readSafetensors>>['tensors'],
  type: 'float64' | 'float32',
): void {
  const error = (names: RegExp) => relativeError(ours, theirs, names)
  const bound = type === 'float64' ? 1e-8 : 1e-4
  expect(error(/^logits$/)).toBeLessThan(bound)
  expect(error(/^loss$/)).toBeLessThan(bound)
  expect(error(/^gradient\./)).toBeLessThan(bound)
  if (type === 'float64') {
    expect(error(/^sgd\./)).toBeLessThan(bound)
    expect(error(/^adam\./)).toBeLessThan(bound)
    expect(error(/^trained_logits$/)).toBeLessThan(bound)
    expect(error(/^adversarial$/)).toBeLessThan(bound)
  }
  const reached = theirs.get('adversarial_loss')?.data[0]
  expect(Number(ours.folded_adversarial_loss?.[0]) / Number(reached)).toBeCloseTo(1, 2)
}
