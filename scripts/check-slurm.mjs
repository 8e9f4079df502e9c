// Grids on a real Slurm: two nodes on 127.0.0.1 under a temporary folder, beside whatever Slurm there is, removed again
// afterwards. Needs slurmctld, slurmd and munged; without them it says so and skips.
//   npm run check:slurm [-- --install] [-- --keep]
// --install: where they are missing, tries apt-get install slurm-wlm munge first; --keep: leaves the folder.
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostname, tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual, promisify } from 'node:util'

const root = resolve(import.meta.dirname, '..')
const coppice = join(root, 'dist', 'lib', 'cli', 'main.js')
const keep = process.argv.includes('--keep')
const install = process.argv.includes('--install')
/** Tasks of the last check: more than an array of this cluster may have. */
const MANY = 200
const MAX_ARRAY = 128
/** Epochs of a task that takes ten seconds or more. */
const LONG = 400

// Daemons live where an ordinary PATH does not look.
process.env.PATH = `${process.env.PATH}:/usr/sbin:/sbin`

const started = performance.now()
const say = (text) =>
  console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`)
const claim = (holds, text) => {
  if (!holds) throw new Error(`not so: ${text}`)
  say(text)
}

const isThere = (program) =>
  process.env.PATH.split(':').some((folder) => folder !== '' && existsSync(join(folder, program)))

/** Ports that nobody has now. */
const freePorts = async (count) => {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((done) => {
          const server = createServer().listen(0, '127.0.0.1', () => done(server))
        }),
    ),
  )
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}

/** Waits for something to become true. */
const until = async (what, holds, seconds = 60) => {
  for (const end = performance.now() + 1000 * seconds; ; await delay(200)) {
    const value = await holds()
    if (value) return value
    if (performance.now() > end) throw new Error(`waited ${seconds} s in vain: ${what}`)
  }
}

const configuration = (folder, [controller, ...nodes]) => `
ClusterName=coppice-check
SlurmctldHost=${hostname()}(127.0.0.1)
SlurmUser=${userInfo().username}
SlurmdUser=${userInfo().username}
AuthType=auth/munge
AuthInfo=socket=${folder}/munge/socket
SlurmctldPort=${controller}
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmctldLogFile=${folder}/slurmctld.log
StateSaveLocation=${folder}/state
SlurmdPidFile=${folder}/%n.pid
SlurmdLogFile=${folder}/%n.log
SlurmdSpoolDir=${folder}/spool-%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,requeue_delay=1
MaxArraySize=${MAX_ARRAY}
MinJobAge=2
KillWait=20
SlurmdTimeout=6
ReturnToService=2
${nodes.map((port, index) => `NodeName=n${index} NodeAddr=127.0.0.1 Port=${port} CPUs=1 State=UNKNOWN`).join('\n')}
PartitionName=all Nodes=ALL Default=YES State=UP MaxTime=INFINITE
`

const folder = mkdtempSync(join(tmpdir(), 'coppice-slurm-'))
const children = new Set()
const start = (program, args, more = {}) => {
  const child = spawn(program, args, { stdio: 'ignore', ...more })
  children.add(child)
  child.on('exit', () => children.delete(child))
  return child
}
const ended = (child) =>
  new Promise((done) => ((child.exitCode ?? child.signalCode) === null ? child.on('exit', done) : done()))

const slurm = async (program, ...args) => (await promisify(execFile)(program, args)).stdout
const run = (...args) =>
  new Promise((done) => {
    const child = execFile(
      process.execPath,
      [coppice, ...args],
      { maxBuffer: 2 ** 28 },
      (_, stdout, stderr) => done({ code: child.exitCode, stdout, stderr }),
    )
  })
const succeed = async (...args) => {
  const end = await run(...args)
  if (end.code !== 0) throw new Error(`coppice ${args.join(' ')} ended with ${end.code}: ${end.stderr}`)
  return end
}

const slurmd = (index) => start('slurmd', ['-D', '-N', `n${index}`, '-f', join(folder, 'slurm.conf')])

const cluster = async () => {
  for (const inner of ['munge', 'state', 'spool-n0', 'spool-n1'])
    mkdirSync(join(folder, inner), { mode: 0o700 })
  const munge = (file) => join(folder, 'munge', file)
  writeFileSync(munge('key'), crypto.getRandomValues(new Uint8Array(128)), { mode: 0o400 })
  start('munged', [
    ...['--foreground', '--force', `--socket=${munge('socket')}`, `--key-file=${munge('key')}`],
    ...[`--pid-file=${munge('pid')}`, `--log-file=${munge('log')}`, `--seed-file=${munge('seed')}`],
  ])
  await until('munged listens', () => existsSync(munge('socket')))
  writeFileSync(join(folder, 'slurm.conf'), configuration(folder, await freePorts(3)))
  process.env.SLURM_CONF = join(folder, 'slurm.conf')
  start('slurmctld', ['-D', '-f', join(folder, 'slurm.conf')])
  const nodes = [slurmd(0), slurmd(1)]
  await until('both nodes are idle', async () =>
    /^2$/.test((await slurm('sinfo', '-h', '-t', 'idle', '-o', '%D').catch(() => '')).trim()),
  )
  return nodes
}

const json = (path) => JSON.parse(readFileSync(path, 'utf8'))
/** What a run found, without the time it took. */
const found = (run) => ({ ...json(join(run, 'result.json')), seconds: 0 })
const bytes = (run) =>
  Object.fromEntries(
    readdirSync(join(run, 'checkpoints')).map((name) => [
      name,
      readFileSync(join(run, 'checkpoints', name)).toString('base64'),
    ]),
  )
const sameRuns = (one, other, names = readdirSync(join(one, 'runs'))) =>
  names.every((name) => {
    const [a, b] = [join(one, 'runs', name), join(other, 'runs', name)]
    return isDeepStrictEqual(found(a), found(b)) && isDeepStrictEqual(bytes(a), bytes(b))
  })

const recipe = (epochs) => ({
  threads: 1,
  data: { set: 'builtin', train: 96, test: 40 },
  network: { name: 'cifarLarge', scale: 0.05 },
  pretrain: { objective: { kind: 'adversarial', steps: 1 }, epochs, batchSize: 32 },
  prune: { sparsity: 0.5, steps: 1, epochsPerStep: 1 },
})
const grid = (name, content) => {
  const path = join(folder, `${name}.json`)
  writeFileSync(path, JSON.stringify(content))
  return path
}
const at = (name) => join(folder, name)
const status = async (name) => JSON.parse((await run('grid', at(name), '--status', '--json')).stdout)
const stateOf = async (name, task) => (await status(name)).tasks.find((each) => each.name === task)

/**
 * Slurm begins a requeued job after two minutes; nobody has to wait for all of them here. But a node refuses a job with
 * "credential revoked" in the second in which it has ended there, so not at once.
 */
const hurry = (job) => slurm('scontrol', 'update', `JobId=${job}`, 'StartTime=now+5')

async function sharedPretraining() {
  const file = grid('shared', { recipe: recipe(2), matrix: { 'prune.sparsity': [0.5, 0.75], seed: [1, 2] } })
  await succeed('grid', file, '-o', at('shared-local'), '--jobs', '2')
  await succeed('grid', file, '-o', at('shared-slurm'), '--launch', 'slurm', '--cpus-per-task', '1')
  const tasks = readdirSync(join(at('shared-slurm'), 'runs'))
  claim(tasks.length === 6, 'four fine-tunings share two pre-trainings')
  claim(sameRuns(at('shared-local'), at('shared-slurm')), 'Slurm and a local pool end in the same bits')
  await delay(3000)
  const { counts } = await status('shared-slurm')
  claim(counts.done === 6, 'the status needs no scheduler that remembers')
}

async function nodeKilled(nodes) {
  const long = { recipe: recipe(LONG), matrix: { seed: [1, 2] } }
  const file = grid('killed', long)
  await succeed('grid', file, '-o', at('killed-local'), '--jobs', '2')
  await succeed(
    'grid',
    file,
    '-o',
    at('killed-slurm'),
    '--launch',
    'slurm',
    '--checkpoint-seconds',
    '1',
    '--no-follow',
  )
  const victim = await until('a task has a checkpoint on node n0', async () => {
    const lines = (await slurm('squeue', '-h', '-r', '-o', '%N %K %T'))
      .split('\n')
      .map((line) => line.split(' '))
    const mine = lines.find(([node, , state]) => node === 'n0' && state === 'RUNNING')
    const name = mine && `seed=${Number(mine[1]) + 1}`
    return (
      name && existsSync(join(at('killed-slurm'), 'runs', name, 'checkpoints', 'latest.safetensors')) && name
    )
  })
  // As when a machine loses its power: the daemon, what watches the job, and the job.
  const pids = (await slurm('ps', '-eo', 'pid,ppid,args')).split('\n').map((line) => line.trim().split(/\s+/))
  const where = json(join(at('killed-slurm'), 'states', `${victim}.json`)).where
  const job = /Slurm job (\d+)/.exec(where)[1]
  const steps = pids.filter(([, , ...args]) => args.join(' ').startsWith(`slurmstepd: [${job}.`))
  const processes = pids.filter(([, parent]) => steps.some(([pid]) => pid === parent))
  nodes[0].kill('SIGKILL')
  for (const [pid] of [...steps, ...processes]) process.kill(Number(pid), 'SIGKILL')
  say(`node n0 is dead, and with it ${victim}`)
  await until(
    'the scheduler queues the task again',
    async () => (await stateOf('killed-slurm', victim)).state === 'waiting',
  )
  say(`${victim} is queued again`)
  await hurry((await stateOf('killed-slurm', victim)).job)
  await ended(nodes[0])
  nodes[0] = slurmd(0)
  await until('the grid is done', async () => (await status('killed-slurm')).counts.done === 2, 180)
  const log = readFileSync(join(at('killed-slurm'), 'logs', `${victim}.log`), 'utf8')
  claim(log.includes('going on with'), 'it went on from its checkpoint')
  claim(sameRuns(at('killed-local'), at('killed-slurm')), 'and ended in the bits of a run without a fault')
}

async function timeLimit() {
  const file = grid('limit', {
    recipe: { ...recipe(LONG), seed: 1 },
    matrix: { 'prune.sparsity': [0.5, 0.75] },
  })
  await succeed('grid', file, '-o', at('limit'), '--launch', 'slurm', '--no-follow', '--time', '10')
  await until('it trains', async () => existsSync(join(at('limit'), 'runs', 'pretrain', 'recipe.json')))
  await delay(2000)
  const { job } = await stateOf('limit', 'pretrain')
  // What Slurm itself sends two minutes before the end of those ten.
  await slurm('scancel', '--signal=USR2', '--batch', job)
  await until('it waits again', async () => (await stateOf('limit', 'pretrain'))?.state === 'waiting')
  const checkpoint = join(at('limit'), 'runs', 'pretrain', 'checkpoints', 'latest.safetensors')
  claim(existsSync(checkpoint), 'when its time is up, a task stops at a checkpoint and queues again')
  await hurry(job)
  await until('the grid is done', async () => (await status('limit')).counts.done === 3, 120)
  const [one, other] = [join(at('limit'), 'runs', 'sparsity=0.5'), join(at('killed-local'), 'runs', 'seed=1')]
  claim(
    isDeepStrictEqual(found(one), { ...found(other), name: 'sparsity=0.5' }) &&
      isDeepStrictEqual(bytes(one), bytes(other)),
    'what waited for it waits on, and ends in the same bits',
  )
}

async function cancelled() {
  const file = grid('cancelled', { recipe: recipe(100_000), matrix: { seed: [1, 2, 3] } })
  await succeed('grid', file, '-o', at('cancelled'), '--launch', 'slurm', '--no-follow')
  await until(
    'two tasks run',
    async () =>
      (await status('cancelled')).tasks.filter(
        ({ name, state }) =>
          state === 'running' && existsSync(join(at('cancelled'), 'runs', name, 'recipe.json')),
      ).length === 2,
  )
  await succeed('grid', at('cancelled'), '--cancel')
  await until('nothing is queued', async () => (await slurm('squeue', '-h')).trim() === '')
  const { counts } = await status('cancelled')
  claim(counts.stopped === 3, 'a cancelled grid leaves nothing in the queue')
  const kept = readdirSync(join(at('cancelled'), 'runs')).filter((name) =>
    existsSync(join(at('cancelled'), 'runs', name, 'checkpoints', 'latest.safetensors')),
  )
  claim(kept.length === 2, 'and what ran stopped at a checkpoint')
}

async function rejected() {
  const file = grid('rejected', { recipe: recipe(1), matrix: { seed: [1, 2] } })
  const { code, stderr } = await run(
    'grid',
    file,
    '-o',
    at('rejected'),
    '--launch',
    'slurm',
    '--partition',
    'none',
  )
  claim(
    code === 1 && /^coppice: sbatch failed: .*invalid partition/im.test(stderr),
    `a rejection is told: ${stderr.trim()}`,
  )
}

async function many() {
  const seeds = Array.from({ length: MANY }, (_, seed) => seed)
  const short = { ...recipe(0), prune: undefined, data: { set: 'builtin', train: 10, test: 10 } }
  const file = grid('many', { recipe: short, matrix: { seed: seeds } })
  const before = performance.now()
  await succeed('grid', file, '-o', at('many'), '--launch', 'slurm', '--jobs', '4')
  const { counts } = await status('many')
  const each = (performance.now() - before) / 1000 / MANY
  claim(counts.done === MANY, `${MANY} short tasks are done, ${each.toFixed(2)} s each`)
}

const PROGRAMS = ['munged', 'slurmctld', 'slurmd', 'sbatch', 'squeue', 'scancel', 'scontrol']
const missing = () => PROGRAMS.filter((program) => !isThere(program))

/** Debian's packages; whether that worked shows in what is there afterwards. */
const tryToInstall = async () => {
  say('installing slurm-wlm and munge')
  const options = { timeout: 300_000, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  const apt = (...args) =>
    promisify(execFile)('apt-get', ['-q', '-y', ...args], options).catch((error) =>
      say(`apt-get ${args[0]} failed: ${error.message.split('\n')[0]}`),
    )
  await apt('update')
  await apt('install', '--no-install-recommends', 'slurm-wlm', 'munge')
}

const main = async () => {
  if (missing().length > 0 && install) await tryToInstall()
  if (missing().length > 0) {
    console.log(`skipped: ${missing().join(', ')} not found (Debian: apt-get install slurm-wlm munge)`)
    return
  }
  if (!existsSync(coppice)) throw new Error(`${coppice} is missing: run npm run build:ts`)
  const nodes = await cluster()
  say(`${(await slurm('sbatch', '--version')).trim()}, two nodes`)
  await sharedPretraining()
  await nodeKilled(nodes)
  await timeLimit()
  await cancelled()
  await rejected()
  await many()
}

const sweep = async () => {
  await slurm('scancel', '--full', `--user=${userInfo().uid}`).catch(() => undefined)
  await delay(500)
  for (const child of children) child.kill('SIGTERM')
  await Promise.race([Promise.all([...children].map(ended)), delay(10_000)])
  for (const child of children) child.kill('SIGKILL')
  if (keep) console.log(`kept: ${folder}`)
  else rmSync(folder, { recursive: true, force: true })
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => sweep().finally(() => process.exit(130)))
}
try {
  await main()
} catch (error) {
  console.error(`check:slurm failed: ${error.message}`)
  process.exitCode = 1
} finally {
  await sweep()
}
