import { describe, expect, it } from 'vitest'
import { planSteps } from '../../lib/compression/plan.js'
import { sparsityAt } from '../../lib/pruning/schedules.js'

const planned = (...args: Parameters<typeof planSteps>) =>
  Array.from({ length: args[2] }, (_, index) => planSteps(...args).at(index + 1))
const sparsities = (...args: Parameters<typeof planSteps>) => planned(...args).map((step) => step.sparsity)

describe('planSteps', () => {
  it('is the schedule itself without milestones', () => {
    expect(sparsities('geometric', 0.9, 40)).toEqual(
      Array.from({ length: 40 }, (_, index) => sparsityAt('geometric', 0.9, index + 1, 40)),
    )
  })

  it.each([['linear'], ['cubic'], ['geometric']] as const)('meets milestones exactly (%s)', (schedule) => {
    const plan = planSteps(schedule, 0.9, 10, [0.75, 0.5])
    expect(plan.milestones.map(({ sparsity }) => sparsity)).toEqual([0.5, 0.75, 0.9])
    const reached = planned(schedule, 0.9, 10, [0.75, 0.5]).flatMap(({ milestone, sparsity }, index) =>
      milestone ? [{ step: index + 1, sparsity }] : [],
    )
    expect(reached).toEqual(plan.milestones)
  })

  it('never goes back, however tight the milestones lie', () => {
    for (const milestones of [[0.01, 0.02, 0.03], [0.87, 0.88, 0.89], [0.5], [0.1, 0.89]]) {
      const plan = sparsities('geometric', 0.9, 5, milestones)
      expect(plan).toEqual([...plan].sort((a, b) => a - b))
      expect(plan.at(-1)).toBe(0.9)
      for (const milestone of milestones) expect(plan).toContain(milestone)
    }
  })

  it('gives a milestone to the step that is nearest by itself, of equals the first', () => {
    const nearest = (milestone: number, steps: number) => {
      const distances = Array.from({ length: steps - 1 }, (_, index) =>
        Math.abs(sparsityAt('linear', 0.8, index + 1, steps) - milestone),
      )
      return distances.indexOf(Math.min(...distances)) + 1
    }
    for (const [milestone, steps] of [
      [0.13, 9],
      [0.4, 8],
      [0.7999, 40],
      [1e-6, 40],
      [0.35, 8],
    ] as const) {
      const [first] = planSteps('linear', 0.8, steps, [milestone]).milestones
      expect(first).toEqual({ step: nearest(milestone, steps), sparsity: milestone })
    }
  })

  it('costs no more for a hundred million steps than for ten', () => {
    const steps = 100_000_000
    const plan = planSteps('geometric', 0.9, steps, [0.5])
    expect(plan.milestones.map(({ sparsity }) => sparsity)).toEqual([0.5, 0.9])
    expect(plan.at(steps)).toEqual({ sparsity: 0.9, milestone: true })
    expect(plan.at(steps / 2).sparsity).toBeCloseTo(1 - Math.sqrt(0.1), 6)
  })

  it('takes the target as the milestone it always is', () => {
    expect(planned('linear', 0.5, 2, [0.5])).toEqual([
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
