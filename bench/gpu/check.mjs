// Stage check: everything that training and verification use against the CPU, an end in the middle of a job, and,
// where compute-sanitizer is there, kernels that touch what is not theirs.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { exercise } from '../../dist/bindings/exercise.js'
import { binding } from '../../dist/bindings/load.js'
import { trial } from './trial.mjs'

const here = import.meta.dirname

export default async ({ results, device, threads }) => {
  const { addon, torch } = binding()
  addon.setThreads(threads)
  const info = addon.info()
  await results.row('machine', () => ({
    torch,
    name:
      info.cudaDevices.find((one) => one.device === device || `${device}:0` === one.device)?.name ?? device,
    ...addon.memory(device),
  }))
  const tried = await exercise(addon, device)
  for (const { name, ...found } of tried) await results.row(name, () => found)
  for (const one of tried) if (one.problem !== undefined) results.unfinished = true
  await results.row('end in the middle of a job', async () => {
    const started = performance.now()
    await trial(process.execPath, [join(here, 'end.mjs'), device], 120)
    return { seconds: (performance.now() - started) / 1000 }
  })
  const sanitizer = spawnSync('compute-sanitizer', ['--version']).status === 0
  if (device !== 'cpu' && sanitizer)
    for (const tool of ['memcheck', 'racecheck'])
      await results.row(`compute-sanitizer, ${tool}`, async () => {
        const tell = ['--tool', tool, '--error-exitcode', '9', '--target-processes', 'all']
        await trial('compute-sanitizer', [...tell, process.execPath, join(here, 'steps.mjs'), device], 300)
        return {}
      })
}
