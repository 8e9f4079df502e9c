import { describe, expect, it } from 'vitest'
import { planSteps } from '../../lib/compression/plan.js'
import { sparsityAt } from '../../lib/pruning/schedules.js'

const sparsities = (...args: Parameters<typeof planSteps>) => planSteps(...args).map((step) => step.sparsity)

describe('planSteps', () => {
  it('is the schedule itself without milestones', () => {
    expect(sparsities('geometric', 0.9, 40)).toEqual(
      Array.from({ length: 40 }, (_, index) => sparsityAt('geometric', 0.9, index + 1, 40)),
    )
  })

  it.each([['linear'], ['cubic'], ['geometric']] as const)('meets milestones exactly (%s)', (schedule) => {
    const plan = planSteps(schedule, 0.9, 10, [0.75, 0.5])
    const reached = plan.filter((step) => step.milestone).map((step) => step.sparsity)
    expect(reached).toEqual([0.5, 0.75, 0.9])
  })

  it('never goes back, however tight the milestones lie', () => {
    for (const milestones of [[0.01, 0.02, 0.03], [0.87, 0.88, 0.89], [0.5], [0.1, 0.89]]) {
      const plan = sparsities('geometric', 0.9, 5, milestones)
      expect(plan).toEqual([...plan].sort((a, b) => a - b))
      expect(plan.at(-1)).toBe(0.9)
      for (const milestone of milestones) expect(plan).toContain(milestone)
    }
  })

  it('takes the target as the milestone it always is', () => {
    expect(planSteps('linear', 0.5, 2, [0.5])).toEqual([
      { sparsity: 0.25, milestone: false },
      { sparsity: 0.5, milestone: true },
    ])
  })

  it('refuses milestones beyond the target, too many of them, and any with one-shot pruning', () => {
    expect(() => planSteps('linear', 0.5, 5, [0.6])).toThrow('milestones: 0.6 does not lie between 0 and')
    expect(() => planSteps('linear', 0.5, 2, [0.1, 0.2])).toThrow('need at least 3 steps')
    expect(() => planSteps('oneShot', 0.5, 5, [0.1])).toThrow('oneShot')
  })
})
