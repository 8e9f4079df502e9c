import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { diagnose } from '../../bindings/doctor.js'
import { describeDiagnosis } from '../../lib/cli/doctor.js'
import { canLoad, temporaryFolder, writeFiles } from './folders.js'

let folder = ''
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

describe.runIf(canLoad)('the doctor', () => {
  it('finds a working CPU, and every place where libtorch may be', async () => {
    const diagnosis = await diagnose()
    expect(diagnosis.usable).toBe(true)
    expect(diagnosis.libtorch.map(({ source }) => source)).toContain('project')
    if ('problem' in diagnosis.addon) throw new Error(diagnosis.addon.problem)
    expect(diagnosis.addon.devices[0]).toMatchObject({ device: 'cpu' })
    expect(diagnosis.addon.devices[0]?.problem).toBeUndefined()
    const text = describeDiagnosis(diagnosis).join('\n')
    expect(text).toContain(diagnosis.addon.file)
    expect(text).toMatch(/Coppice can be used here\.$/)
  })

  it('says why an addon does not load, and what to do', async () => {
    vi.stubEnv('COPPICE_BINDING', folder)
    const diagnosis = await diagnose()
    expect(diagnosis.usable).toBe(false)
    expect(diagnosis.problems.join()).toContain(`${folder}/coppice.node: coppice.node is not there`)
    expect(describeDiagnosis(diagnosis).join('\n')).toMatch(/Coppice cannot be used here\.$/)
  })

  it('survives an addon that kills its process', async () => {
    writeFiles(folder, {
      'crash.cjs': "if (process.argv[2] === 'answer') process.kill(process.pid, 'SIGSEGV')",
    })
    vi.stubEnv('NODE_OPTIONS', `--require ${join(folder, 'crash.cjs')}`)
    const diagnosis = await diagnose()
    expect(diagnosis.usable).toBe(false)
    expect(diagnosis.problems[0]).toMatch(/ended with SIGSEGV/)
  })

  it('lists the variables that matter, and no others', async () => {
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '1')
    vi.stubEnv('SECRET_TOKEN', 'x')
    const { environment } = await diagnose()
    expect(environment.CUDA_VISIBLE_DEVICES).toBe('1')
    expect(environment).not.toHaveProperty('SECRET_TOKEN')
  })
})
