import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { completions } from '../../lib/cli/repl/completion.js'
import { explain, topics } from '../../lib/cli/repl/topics.js'
import { temporaryFolder } from '../helpers.js'

const MAIN = join(__dirname, '../../dist/lib/cli/main.js')

interface Told {
  transcript: string
  failed: string | null
  idle: number[]
  code: number
}

type Step = { wait?: string; type?: string } | { after: number; idle: number }

/** The prompt on a terminal of its own, typed at. */
const typed = (steps: readonly Step[], env: Record<string, string>): Promise<Told> =>
  new Promise((resolve, reject) => {
    const child = spawn('python3', [join(__dirname, 'terminal.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    let told = ''
    child.stdout.on('data', (text) => {
      told += String(text)
    })
    child.on('error', reject)
    child.on('close', () => {
      const { transcript, ...rest } = JSON.parse(told) as Told
      resolve({ ...rest, transcript: stripVTControlCharacters(transcript).replaceAll('\r\n', '\n') })
    })
    child.stdin.end(JSON.stringify({ command: [process.execPath, MAIN, 'repl'], env, steps }))
  })

/** Where the terminal stands when the prompt waits for input. */
const PROMPT = 'coppice> \\x1b\\[10G$'
const enter = (type: string, wait = PROMPT): Step[] => [{ type: `${type}\r` }, { wait }]

const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0

describe('the prompt', () => {
  it.skipIf(!hasPython)(
    'trains, stops at Ctrl-C, goes on, prunes, evaluates, inspects and saves',
    async () => {
      const folder = temporaryFolder()
      const env = { COPPICE_HISTORY: join(folder, 'state', 'history'), NODE_NO_WARNINGS: '1' }
      const file = join(folder, 'small.safetensors')
      const told = await typed(
        [
          { wait: PROMPT },
          ...enter('const data = await builtin({ train: 600, test: 60 })'),
          ...enter('const net = await allCnn({ scale: 0.1, seed: 1 })'),
          ...enter('await train(net, data.train, { epochs: 5000 })', 'epoch 1/5000.*left'),
          ...[
            { type: 'ctrl-c' },
            { wait: 'go on with: await resume' },
            { wait: 'stopped \\}' },
            { wait: PROMPT },
          ],
          { after: 0.5, idle: 0.5 },
          ...enter('await resume()', 'train "allCnn" epoch'),
          ...[{ type: 'ctrl-c' }, { wait: 'stopped \\}' }, { wait: PROMPT }],
          ...enter('const job = train(net, data.train, { epochs: 5000 })'),
          ...enter('job.state', "'running'"),
          ...[{ wait: PROMPT }, { type: 'ctrl-c' }, { wait: 'await resume' }, { wait: PROMPT }],
          ...enter('job.state', "'stopped'"),
          { wait: PROMPT },
          ...enter(
            'await compress(net, data.train, { sparsity: 0.8, steps: 2, epochsPerStep: 1 })',
            'step 2/2',
          ),
          { wait: PROMPT },
          ...enter('net', 'conv9'),
          { wait: PROMPT },
          ...enter('await net.mask()', 'all +80 %'),
          { wait: PROMPT },
          ...enter('await evaluate(net, data.test, { robust: adversarial({ steps: 2 }) })', 'Evaluation .*'),
          { wait: PROMPT },
          ...enter("await net.weights('conv1')", 'Tensor "conv1.weight" 10×3×3×3.*'),
          { wait: PROMPT },
          ...enter(`await net.save('${file}')`),
          ...[{ type: "verifier('crownI\t" }, { wait: 'crownIbp' }, { type: "')\r" }, { wait: PROMPT }],
          ...[
            { type: 'train(net, data.train, { ep\t' },
            { wait: 'epochs: ' },
            { type: 'ctrl-c' },
            { wait: PROMPT },
          ],
          { type: 'ctrl-d' },
        ],
        env,
      )
      expect(told.failed, told.transcript).toBe(null)
      expect(told.code).toBe(0)
      expect(told.idle[0]).toBeLessThan(0.2)
      expect(told.transcript).toMatch(
        /Evaluation \{ accuracy [\d.]+ \[[\d.]+, [\d.]+\], era .*PGD-2, eps 8\/255 \}/,
      )
      expect(existsSync(file)).toBe(true)
      expect(readFileSync(env.COPPICE_HISTORY, 'utf8')).toContain('await resume()')
    },
  )

  it('runs a script from a pipe: every example of the help', () => {
    const examples = Object.values(topics).flatMap((topic) => topic.examples)
    const { stdout, stderr, status } = spawnSync(process.execPath, [MAIN, 'repl'], {
      input: [...examples, 'console.log([net, data, robust, job, engine])', ''].join('\n'),
      encoding: 'utf8',
      env: { ...process.env, COPPICE_CACHE: 'off', NODE_NO_WARNINGS: '1' },
    })
    expect([status, stderr]).toEqual([0, ''])
    for (const expected of [
      'Network "allCnn"',
      'Dataset "builtin train"',
      'PGD-2, eps 8/255',
      'SparseEngine',
    ])
      expect(stdout).toContain(expected)
    const failed = spawnSync(process.execPath, [MAIN, 'repl'], { input: 'await train(1)', encoding: 'utf8' })
    expect([failed.status, failed.stderr.trim().split('\n').length]).toEqual([2, 1])
    // What a script gets wrong itself is no defect of Coppice.
    for (const [input, what] of [
      ['maskk', 'ReferenceError: maskk is not defined'],
      ['await (', 'SyntaxError'],
      ['throw null', 'null'],
    ]) {
      const { status, stderr } = spawnSync(process.execPath, [MAIN, 'repl'], { input, encoding: 'utf8' })
      expect(stderr).toMatch(new RegExp(`^coppice: the script failed: ${what}.*\n$`))
      expect(status).toBe(1)
    }
  })

  it('explains its topics', () => {
    for (const [name, { about, examples }] of Object.entries(topics)) {
      expect(explain('')).toContain(name)
      for (const text of [about, ...examples]) expect(explain(name)).toContain(text)
    }
    expect(explain('trian')).toContain('did you mean "train"?')
  })
})

describe('completion', () => {
  it('knows the options of the call that is being typed, and the words they take', () => {
    expect(completions('await train(net, data.train, { ep')).toEqual([['epochs: '], 'ep'])
    expect(completions('compress(net, data.train, { steps: 3, struc')?.[0]).toEqual(['structure: '])
    expect(completions("net.prune({ structure: 'bl")).toEqual([['block'], 'bl'])
    expect(completions("networkSpec('vgg")).toEqual([['vgg16'], 'vgg'])
    expect(completions('vgg16({ sca')).toEqual([['scale: '], 'sca'])
    expect(completions('adversarial({ epsilon: 8 / 255, ')?.[0]).toContain('steps: ')
  })

  it('leaves everything else to Node', () => {
    for (const line of ['net.', 'const { a, ', 'foo({ ba', "'abc", '', 'train(net, da', 'train(net, [{ ep'])
      expect(completions(line)).toBeUndefined()
  })
})
