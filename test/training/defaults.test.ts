import { describe, expect, it } from 'vitest'
import { networkSpec } from '../../lib/networks/index.js'
import { adversarial, crownIbp, ibp, mixTrain, natural, trades } from '../../lib/objectives/index.js'
import { defaultRamp, resolveRamp } from '../../lib/training/defaults.js'
import { NO_RAMP } from '../../lib/training/schedules.js'

const [plain, normalised] = [networkSpec('cifarLarge'), networkSpec('vgg16')]
const ramp = (naturalEpochs: number, rampEpochs: number, rampPower: number) => ({
  naturalEpochs,
  rampEpochs,
  rampPower,
})

describe('the way to the full ε', () => {
  it.each([mixTrain(), ibp(), crownIbp()])(
    'of $kind is natural first, then of the fourth power',
    (objective) => {
      for (const spec of [plain, normalised]) {
        expect(defaultRamp(objective, spec, { epochs: 60, steps: 391 })).toEqual(ramp(6, 24, 4))
        expect(defaultRamp(objective, spec, { epochs: 8, steps: 50 })).toEqual(ramp(1, 5, 4))
        expect(defaultRamp(objective, spec, { epochs: 8, steps: 1 })).toEqual(ramp(1, 5, 4))
      }
    },
  )

  it.each([adversarial(), trades()])(
    'of $kind is natural first, then linear, without batch norm, and none with it',
    (objective) => {
      expect(defaultRamp(objective, plain, { epochs: 100, steps: 391 })).toEqual(ramp(50 / 391, 25, 1))
      expect(defaultRamp(objective, plain, { epochs: 8, steps: 40 })).toEqual(ramp(1.25, 2.5, 1))
      expect(defaultRamp(objective, plain, { epochs: 2, steps: 40 })).toEqual(ramp(0.5, 1, 1))
      expect(defaultRamp(objective, normalised, { epochs: 100, steps: 391 })).toEqual(NO_RAMP)
    },
  )

  it('of natural training is none', () => {
    expect(defaultRamp(natural(), plain, { epochs: 100, steps: 391 })).toEqual(NO_RAMP)
  })

  it('leaves at least a quarter of the epochs at the full ε', () => {
    for (const objective of [mixTrain(), adversarial()])
      for (const epochs of [1, 2, 3, 5, 17, 400])
        for (const steps of [1, 40, 391]) {
          const { naturalEpochs, rampEpochs } = defaultRamp(objective, plain, { epochs, steps })
          expect(naturalEpochs + rampEpochs).toBeLessThanOrEqual(0.75 * epochs)
        }
  })

  it('is what is given, and without a ramp there is nothing to wait for', () => {
    const length = { epochs: 60, steps: 391 }
    expect(resolveRamp(ramp(1, 2, 3), mixTrain(), plain, length)).toEqual(ramp(1, 2, 3))
    expect(resolveRamp({ rampEpochs: 0 }, mixTrain(), plain, length)).toEqual(ramp(0, 0, 4))
    expect(resolveRamp({ rampPower: 1 }, mixTrain(), plain, length)).toEqual(ramp(6, 24, 1))
  })
})
