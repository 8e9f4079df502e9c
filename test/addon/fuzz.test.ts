import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'

it('10,000 hostile calls end in a result or a CoppiceError, and memory stays flat', {
  timeout: 600_000,
}, () => {
  const script = join(__dirname, 'fuzz.mjs')
  const output = execFileSync(process.execPath, ['--expose-gc', script, '10000', '1'], { encoding: 'utf8' })
  const { outcomes, memory } = JSON.parse(output.trim().split('\n').at(-1) ?? '')
  expect(outcomes.fulfilled).toBeGreaterThan(1000)
  expect(outcomes.refused).toBeGreaterThan(1000)
  expect(outcomes.fulfilled + outcomes.refused + outcomes.thrownByCaller).toBe(10_000)
  const [first, , , last] = memory
  expect(last.allocated - first.allocated).toBeLessThan(1 << 20)
  expect(last.rss - first.rss).toBeLessThan(32 << 20)
})
