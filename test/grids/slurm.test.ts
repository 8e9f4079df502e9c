import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  cancel,
  carryOutJob,
  follow,
  type GridFolder,
  launch,
  openGrid,
  type Plan,
  readGrid,
  runFolder,
  type SlurmOptions,
  slurmLauncher,
  statusOf,
  taskOfJob,
  withSharedPretraining,
} from '../../lib/grids/index.js'
import { parseRecipe } from '../../lib/recipes/recipe.js'
import { temporaryFolder } from '../helpers.js'
import { fakeSlurm, setPath } from './fakeSlurm.js'

/** Two sparsities for each seed, so that each seed has a pre-training; and one task that waits for nobody. */
const plan = (folder: string, seeds = [1, 2]): Plan => {
  const recipe = (seed: number, sparsity: number) =>
    parseRecipe({
      seed,
      threads: 1,
      data: { set: 'builtin', train: 32, test: 10 },
      network: { name: 'cifarLarge', scale: 0.05 },
      pretrain: { epochs: 3, batchSize: 16 },
      prune: { sparsity, steps: 1, epochsPerStep: 1 },
    })
  const tasks = seeds.flatMap((seed) =>
    [0.5, 0.9].map((sparsity) => ({
      name: `${sparsity},${seed}`,
      recipe: recipe(seed, sparsity),
      point: { seed, 'prune.sparsity': sparsity },
    })),
  )
  const alone = { name: 'alone', recipe: recipe(9, 0.5), point: { seed: 9 } }
  return { name: 'test', folder, tasks: withSharedPretraining([...tasks, alone]) }
}
const newPlan = (seeds?: number[]) => plan(join(temporaryFolder(), 'grid'), seeds)
const submit = (grid: Plan, options: SlurmOptions = {}) => launch(grid, slurmLauncher(options))

/** The value of an option of a call. */
const option = (call: readonly string[], name: string) =>
  call.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3)
const submissions = (slurm: ReturnType<typeof fakeSlurm>) =>
  slurm.calls('sbatch').filter((call) => !call.includes('--version'))
const finish = (grid: GridFolder, task: string) => {
  mkdirSync(runFolder(grid, task), { recursive: true })
  writeFileSync(join(runFolder(grid, task), 'result.json'), '{}')
}
const attempt = (grid: GridFolder, task: string, state: string) =>
  writeFileSync(
    join(grid.folder, 'states', `${task}.json`),
    JSON.stringify({ state, time: '2026-01-01', fraction: 0.5, where: 'node7, Slurm job 3' }),
  )
const states = async (grid: GridFolder) =>
  Object.fromEntries((await statusOf(grid)).tasks.map(({ name, state }) => [name, state]))

describe('a grid on Slurm', () => {
  it('is an array of what waits for nothing, and one for each pre-training that others wait for', async () => {
    const slurm = fakeSlurm()
    const { grid, tasks } = await submit(newPlan())
    expect(tasks).toHaveLength(7)
    const [first, ...others] = submissions(slurm)
    expect(submissions(slurm)).toHaveLength(3)
    expect(option(first ?? [], 'array')).toBe('0-2')
    expect(option(first ?? [], 'dependency')).toBeUndefined()
    expect(others.map((call) => [option(call, 'array'), option(call, 'dependency')])).toEqual([
      ['0-1', 'afterok:101_0'],
      ['0-1', 'afterok:101_1'],
    ])
    for (const call of submissions(slurm)) {
      expect(call).toContain('--requeue')
      expect(option(call, 'signal')).toBe('B:USR2@120')
      expect(option(call, 'chdir')).toBe(grid.folder)
      expect(call.at(-2)).toBe(join(grid.folder, 'slurm', 'task.sh'))
    }
    for (const call of others) expect(call).toContain('--kill-on-invalid-dep=yes')
    const part = async (part: number, index: number) =>
      (
        await taskOfJob(grid, part, {
          SLURM_ARRAY_JOB_ID: '101',
          SLURM_ARRAY_TASK_ID: `${index}`,
        })
      ).task.name
    expect(await part(1, 0)).toBe('pretrain,seed=1')
    expect(await part(1, 2)).toBe('alone')
    expect(await part(3, 1)).toBe('0.9,2')
    await expect(part(3, 2)).rejects.toThrow(/part 3 of .* has no task 2/)
  })

  it('hands on what the user says as it is, and lets no shell read it', async () => {
    const slurm = fakeSlurm()
    const folder = join(temporaryFolder(), `it's $(touch gone) %j "x"`)
    mkdirSync(folder)
    const options = {
      partition: 'a b;$(id)',
      gres: "gpu:1'",
      exclusive: true,
      comment: '`x`\n--wrap=y',
    } as const
    const { grid } = await submit(plan(join(folder, 'grid')), { options, jobs: 3, stopBefore: 300 })
    const [call = []] = submissions(slurm)
    for (const [key, value] of Object.entries(options)) {
      expect(call).toContain(value === true ? `--${key}` : `--${key}=${value}`)
    }
    expect(option(call, 'array')).toBe('0-2%3')
    expect(option(call, 'signal')).toBe('B:USR2@300')
    expect(option(call, 'output')).toBe(`${grid.folder.replaceAll('%', '%%')}/slurm/1.%a.log`)
    const script = readFileSync(join(grid.folder, 'slurm', 'task.sh'), 'utf8')
    expect(script.split('\n')).toHaveLength(3)
    expect(script).toContain(` '${grid.folder.replaceAll("'", "'\\''")}' --part "$1"`)
    expect(script).toMatch(/^#!\/bin\/sh\nexec '\/[^']*' '\/[^']*\/dist\/lib\/cli\/main\.js' 'grid' '/)
  })

  it('has no array longer than the cluster allows', async () => {
    const slurm = fakeSlurm()
    await submit(newPlan([1, 2, 3, 4, 5, 6]))
    const arrays = submissions(slurm).map((call) => option(call, 'array'))
    // Six pre-trainings and the task that waits for nobody, five at a time; then the six pairs.
    expect(arrays).toEqual(['0-4', '0-1', '0-1', '0-1', '0-1', '0-1', '0-1', '0-1'])
    expect(submissions(slurm).map((call) => option(call, 'dependency'))[7]).toBe('afterok:102_0')
  })

  it('is submitted whole or not at all', async () => {
    const slurm = fakeSlurm()
    slurm.refuse(3)
    await expect(submit(newPlan())).rejects.toThrow(
      /^sbatch failed: sbatch: error: QOSMaxSubmitJobPerUserLimit; sbatch: error: Batch job submission failed: Job violates accounting policy$/,
    )
    expect(slurm.calls('scancel')).toEqual([['scancel', '101', '102']])
  })

  it('submits again only what is neither done nor in the queue, after what it waits for', async () => {
    const slurm = fakeSlurm()
    const { grid } = await submit(newPlan())
    finish(grid, 'pretrain,seed=1')
    finish(grid, '0.5,1')
    // The submission was killed before its last array.
    slurm.setQueue([
      `coppice-${grid.id}-1|101_1|RUNNING|None`,
      `coppice-${grid.id}-1|101_2|PENDING|Priority`,
      'coppice-00000000-1|7_0|RUNNING|None',
      'somebody else|8|RUNNING|None',
    ])
    const again = await submit(grid)
    expect(again.tasks.map(({ name }) => name)).toEqual(['0.9,1', '0.5,2', '0.9,2'])
    const calls = submissions(slurm).slice(3)
    expect(calls.map((call) => [option(call, 'array'), option(call, 'dependency'), call.at(-1)])).toEqual([
      ['0-0', undefined, '4'],
      ['0-1', 'afterok:101_1', '5'],
    ])
    slurm.setQueue([0, 1].map((index) => `coppice-${grid.id}-5|105_${index}|PENDING|Dependency`))
    expect(await states(grid)).toMatchObject({ '0.5,2': 'waiting', '0.9,2': 'waiting' })
  })

  it('is known from the queue and the folder: by whoever asks, in every state', async () => {
    const slurm = fakeSlurm()
    const { folder } = (await submit(newPlan([1, 2]))).grid
    const grid = await readGrid(folder)
    slurm.setQueue([
      `coppice-${grid.id}-1|101_1|COMPLETING|None`,
      `coppice-${grid.id}-1|101_2|PENDING|JobHeldAdmin`,
    ])
    attempt(grid, 'pretrain,seed=1', 'failed')
    attempt(grid, '0.5,2', 'running')
    writeFileSync(
      join(folder, 'slurm', '1.0.log'),
      'going on\nslurmstepd: error: Detected 1 oom_kill event\u001b[0m\n\n',
    )
    const { tasks, counts } = await statusOf(grid)
    const of = (name: string) => tasks.find((task) => task.name === name)
    expect(of('pretrain,seed=1')).toMatchObject({
      state: 'failed',
      reason: 'slurmstepd: error: Detected 1 oom_kill event [0m',
      log: join(folder, 'logs', 'pretrain,seed=1.log'),
    })
    expect(of('0.5,1')).toMatchObject({ state: 'blocked', reason: 'pretrain,seed=1 failed' })
    expect(of('pretrain,seed=2')).toMatchObject({ state: 'running', job: '101_1' })
    expect(of('alone')).toMatchObject({ state: 'waiting', reason: 'JobHeldAdmin' })
    // The scheduler has forgotten it.
    expect(of('0.5,2')).toMatchObject({
      state: 'stopped',
      fraction: 0.5,
      reason: 'ended without a word (node7, Slurm job 3)',
    })
    expect(of('0.9,2')).toMatchObject({ state: 'stopped', fraction: 0 })
    expect(counts).toEqual({ done: 0, running: 1, waiting: 1, failed: 1, blocked: 2, stopped: 2 })
  })

  it('is told as far as its folder knows where the scheduler does not answer; nothing is then submitted', async () => {
    const slurm = fakeSlurm()
    const { grid } = await submit(newPlan())
    finish(grid, 'alone')
    slurm.silence()
    const { notes, counts } = await statusOf(grid)
    expect(counts.done).toBe(1)
    expect(notes).toEqual([expect.stringMatching(/^squeue failed: .*Unable to contact slurm controller/)])
    const before = submissions(slurm).length
    await expect(submit(grid)).rejects.toThrow(/Unable to contact slurm controller/)
    expect(submissions(slurm)).toHaveLength(before)
  })

  it('is followed until nothing is in the queue', async () => {
    const slurm = fakeSlurm()
    const { grid } = await submit(newPlan())
    slurm.setQueue([`coppice-${grid.id}-1|101_2|RUNNING|None`])
    const seen: number[] = []
    const status = await follow(grid, {
      seconds: 0.01,
      onStatus: ({ counts }) => {
        seen.push(counts.running)
        if (seen.length === 2) {
          finish(grid, 'alone')
          slurm.setQueue([])
        }
      },
    })
    expect(seen.slice(0, 3)).toEqual([1, 1, 0])
    expect(status.counts).toMatchObject({ done: 1, stopped: 6 })
    const controller = new AbortController()
    controller.abort(new Error('enough'))
    await expect(follow(grid, { signal: controller.signal })).rejects.toThrow('enough')
  })

  it('is cancelled array by array, and no other grid with it', async () => {
    const slurm = fakeSlurm()
    const { grid } = await submit(newPlan())
    slurm.setQueue([
      `coppice-${grid.id}-1|101_1|RUNNING|None`,
      `coppice-${grid.id}-1|101_2|PENDING|Priority`,
      `coppice-${grid.id}-2|102_0|PENDING|Dependency`,
      `coppice-${grid.id}1-2|199_0|PENDING|Dependency`,
    ])
    expect(await cancel(grid)).toBe(3)
    expect(slurm.calls('scancel')).toEqual([['scancel', '101', '102']])
  })

  it('needs a scheduler', async () => {
    setPath('/nowhere')
    const grid = newPlan()
    await expect(submit(grid)).rejects.toThrow(
      /^there is no sbatch here: Slurm's commands must be on the PATH; --launch local needs none$/,
    )
    expect(readdirSync(join(grid.folder, 'slurm'))).toEqual([])
    // And goes on elsewhere.
    expect((await statusOf(await readGrid(grid.folder))).notes).toEqual([])
  })

  it.each<[SlurmOptions, RegExp]>([
    [{ options: { array: '0-9' } }, /--sbatch array: the grid sets this option itself/],
    [{ options: { 'job-name': 'x' } }, /--sbatch job-name: the grid sets/],
    [{ options: { p: 'gpu' } }, /--sbatch p: expected a long option of sbatch/],
    [{ options: { '--mem': '4G' } }, /--sbatch --mem: expected a long option/],
    [
      { options: { time: '3' } },
      /--time 3: leaves no time to train before a task stops, 120 s before its end/,
    ],
    [{ options: { time: '2:30' } }, /--time 2:30: leaves no time/],
    [{ options: { time: '0-00:10' }, stopBefore: 600 }, /--time 0-00:10: leaves no time/],
  ])('refuses options (%#) that it cannot keep', (options, message) => {
    expect(() => slurmLauncher(options)).toThrow(message)
  })

  it.each(['4', '0:05:00', '1-0', '1-00:00:01', 'UNLIMITED', '5:00'])('takes the time limit %s', (time) => {
    expect(slurmLauncher({ options: { time } }).kind).toBe('slurm')
  })
})

describe('a job of a grid', () => {
  const environment = { SLURM_ARRAY_JOB_ID: '101', SLURM_ARRAY_TASK_ID: '0', SLURM_CPUS_ON_NODE: '1' }

  it('stops at a checkpoint when its time is up, queues again, and ends in the same result', async () => {
    const slurm = fakeSlurm()
    const { grid } = await submit(newPlan())
    const job = await taskOfJob(grid, 1, environment)
    const limit = new AbortController()
    await expect(
      carryOutJob(grid, job, {
        timeUp: limit.signal,
        onEvent: ({ event }) => event === 'epoch' && limit.abort(new Error('its time is up')),
      }),
    ).rejects.toThrow('its time is up')
    expect(slurm.calls('scontrol').at(-1)).toEqual(['scontrol', 'requeue', '101_0'])
    const path = runFolder(grid, 'pretrain,seed=1')
    expect(existsSync(join(path, 'checkpoints', 'latest.safetensors'))).toBe(true)
    expect(await states(grid)).toMatchObject({ 'pretrain,seed=1': 'stopped' })

    const result = await carryOutJob(grid, job, { timeUp: new AbortController().signal })
    const straight = await openGrid(newPlan())
    mkdirSync(join(straight.folder, 'slurm'), { recursive: true })
    writeFileSync(join(straight.folder, 'slurm', '1.json'), JSON.stringify({ tasks: ['pretrain,seed=1'] }))
    const same = await carryOutJob(straight, await taskOfJob(straight, 1, environment), {
      timeUp: new AbortController().signal,
    })
    expect({ ...result, seconds: 0 }).toEqual({ ...same, seconds: 0 })
    expect(await states(grid)).toMatchObject({ 'pretrain,seed=1': 'done' })
  })

  it('fails where its time limit lets it come no further, instead of queueing for ever', async () => {
    const slurm = fakeSlurm()
    const { grid } = await submit(newPlan())
    const job = await taskOfJob(grid, 1, environment)
    const timeUp = AbortSignal.abort(new Error('its time is up'))
    await expect(carryOutJob(grid, job, { timeUp })).rejects.toThrow(
      /pretrain,seed=1 came no further before its time limit: give it more time/,
    )
    expect(slurm.calls('scontrol').filter(([, verb]) => verb === 'requeue')).toEqual([])
    expect(await states(grid)).toMatchObject({ 'pretrain,seed=1': 'failed', '0.5,1': 'blocked' })
  })

  it('stops without queueing again when it is cancelled', async () => {
    const slurm = fakeSlurm()
    const { grid } = await submit(newPlan())
    const job = await taskOfJob(grid, 1, environment)
    const signal = AbortSignal.abort(new Error('cancelled'))
    await expect(carryOutJob(grid, job, { signal, timeUp: signal })).rejects.toThrow('cancelled')
    expect(slurm.calls('scontrol').filter(([, verb]) => verb === 'requeue')).toEqual([])
    expect(await states(grid)).toMatchObject({ 'pretrain,seed=1': 'stopped' })
  })

  it('is one of an array', async () => {
    const grid = await openGrid(newPlan())
    await expect(taskOfJob(grid, 1, {})).rejects.toThrow(/the environment of a Slurm job\.SLURM_ARRAY_JOB_ID/)
  })
})
