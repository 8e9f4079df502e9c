import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { proportion } from '../../lib/base/wilson.js'
import { compareRuns, recipeDifferences } from '../../lib/report/compare.js'
import { csv } from '../../lib/report/csv.js'
import { findingOf } from '../../lib/report/finding.js'
import { reportMarkdown } from '../../lib/report/markdown.js'
import { readMaterial } from '../../lib/report/material/find.js'
import { HistoryReader } from '../../lib/report/material/history.js'
import { reportPage } from '../../lib/report/page/page.js'
import { tablesOf } from '../../lib/report/tablesOf.js'
import { temporaryFolder } from '../helpers.js'
import { makeReproduction, makeRun } from './fixtures.js'

const results = join(__dirname, '../../results')
const LARGEST = 5 * 2 ** 20

describe('the finding', () => {
  it('is computed from the figures of a run', async () => {
    expect(findingOf(await readMaterial([join(results, 'cifar10-cpu')]))).toBe(
      'With 75 % of its weights pruned, cifarLarge keeps 96 % of its ERA (31.3 → 30.1 %) with matched fine-tuning and 22 % with natural fine-tuning.',
    )
  })

  it('says where images do not tell the best apart', async () => {
    const folder = makeRun(join(temporaryFolder(), 'run'))
    const path = join(folder, 'result.json')
    const result = JSON.parse(readFileSync(path, 'utf8'))
    rmSync(join(folder, 'outcomes'), { recursive: true })
    for (const row of result.rows) if (row.branch === 'natural') row.era = proportion(105, 200)
    writeFileSync(path, JSON.stringify(result))
    expect(findingOf(await readMaterial([folder]))).toContain(
      '200 test images do not tell the first two apart',
    )
  })

  it('tells of a run that has no network yet, and of many runs by their range', async () => {
    const folder = temporaryFolder()
    const begun = makeRun(join(folder, 'begun'), { finished: false })
    expect(findingOf(await readMaterial([begun]))).toMatch(
      /^begun has no finished network yet; it stopped at epoch 5/,
    )
    for (const seed of [1, 2, 3]) makeRun(join(folder, 'seeds', `${seed}`), { seed })
    expect(findingOf(await readMaterial([join(folder, 'seeds')]))).toMatch(
      /^In 3 runs, a network that was pruned keeps .* of its ERA with matched fine-tuning, .* natural .* without/,
    )
  })
})

describe('two runs beside each other', () => {
  it('are told apart by their recipes, and image by image', async () => {
    const folder = temporaryFolder()
    makeRun(join(folder, 'a'), { seed: 1 })
    makeRun(join(folder, 'b'), { seed: 2, epochs: 7 })
    const [a, b] = (await readMaterial([folder])).runs
    if (a === undefined || b === undefined) throw new Error('two runs expected')
    const { differences, networks } = compareRuns(a, b)
    expect(differences).toEqual([
      { path: 'pretrain.epochs', first: '5', second: '7' },
      { path: 'seed', first: '1', second: '2' },
    ])
    expect(networks.map(({ first }) => first)).toEqual(['dense', 'none-90', 'natural-90', 'matched-90'])
    for (const { measures } of networks) {
      for (const { first, second, paired } of measures) {
        // What one lost and the other won is what their counts differ by.
        expect((paired?.onlySecond ?? 0) - (paired?.onlyFirst ?? 0)).toBe(second.successes - first.successes)
      }
    }
  })

  it('write distances as people do', () => {
    const recipe = (epsilon: number) => ({
      evaluate: { attack: { epsilon, verifiers: [{ kind: 'crown' }] } },
    })
    expect(recipeDifferences(recipe(8 / 255), recipe(0.123))).toEqual([
      { path: 'evaluate.attack.epsilon', first: '8/255', second: '0.123' },
    ])
  })
})

describe('the page', () => {
  it('has room for every table and figure of the paper', async () => {
    const page = await reportPage(await readMaterial([join(results, 'reproduction', 'smoke')]))
    expect(page.length).toBeLessThan(LARGEST)
  })

  it('is one file that asks for nothing, with an anchor for every link', async () => {
    const folder = temporaryFolder()
    for (const seed of [1, 2]) makeRun(join(folder, `run${seed}`), { seed })
    const page = await reportPage(await readMaterial([folder, results]))
    expect(page).not.toMatch(/(src|href)="(?!#)/)
    const linked = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id)
    for (const id of new Set(linked)) expect(page).toContain(`id="${id}"`)
    for (const text of [
      'run1',
      'run2',
      'cifar10-cpu',
      'Loss and accuracy over the epochs',
      'What differs in the recipe',
    ])
      expect(page).toContain(text)
    expect(page).not.toMatch(/NaN|undefined|\[object/)
  })

  it('takes no name for HTML', async () => {
    const evil = '<img src=x onerror=alert(1)>'
    const folder = join(temporaryFolder(), `${evil.replaceAll('/', '')}`)
    makeRun(folder, {
      name: evil,
      warnings: ['</script><script>alert(2)</script>'],
      branches: [evil, '\u202ematched'],
    })
    const material = await readMaterial([folder])
    const page = await reportPage(material)
    expect(page).not.toMatch(/<img|<script>alert|\u202e/)
    expect(page.match(/<script>/g)).toHaveLength(1)
    expect(reportMarkdown(material)).not.toMatch(/[^\\]<img/)
  })

  it('shows the rest of a run that is damaged, and names the fault', async () => {
    const folder = makeRun(join(temporaryFolder(), 'run'))
    writeFileSync(join(folder, 'outcomes', 'matched-90.json'), '{"row":')
    writeFileSync(join(folder, 'environment.json'), '[]')
    writeFileSync(join(folder, 'checkpoints', 'dense.safetensors'), 'no tensors')
    writeFileSync(join(folder, 'metrics.ndjson'), '{"event":"epoch","epoch":1,"loss":NaN}\n', { flag: 'a' })
    const { runs } = await readMaterial([folder])
    const faults = runs[0]?.faults.join('\n')
    for (const what of [
      'matched-90.json is not JSON',
      'environment.json is damaged',
      'dense.safetensors',
      'line 13 holds NaN',
    ])
      expect(faults).toContain(what)
    const page = await reportPage({ runs, benches: [], reproductions: [], faults: [] })
    expect(page).toContain('What is missing or wrong')
    expect(page).toContain('matched fine-tuning')
    truncateSync(join(folder, 'result.json'), 20)
    const [cut] = (await readMaterial([folder])).runs
    expect(cut?.state).toBe('stopped')
    expect(cut?.faults.join('\n')).toContain('result.json is not JSON')
  })

  it('says which runs should be equal and are not', async () => {
    const folder = temporaryFolder()
    makeRun(join(folder, 'a/run'), { seed: 1 })
    makeRun(join(folder, 'b/run'), { seed: 1, branches: ['matched'] })
    const { runs, faults } = await readMaterial([folder])
    expect(runs.map(({ name }) => name)).toEqual(['a/run', 'b/run'])
    expect(faults.join()).toMatch(/have the same identity id1, but not the same results/)
  })

  it.each([[{ epochs: 1 }], [{ epochs: 0, finished: false }], [{ branches: [] }]])(
    'is drawn of hardly anything: %o',
    async (made) => {
      const page = await reportPage(await readMaterial([makeRun(join(temporaryFolder(), 'run'), made)]))
      expect(page).toContain('</html>')
      expect(page).not.toMatch(/NaN|Infinity/)
    },
  )

  it('wants something to report', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'empty'))
    await expect(readMaterial([join(folder, 'empty')])).rejects.toThrow('holds no run and no benchmark')
    await expect(readMaterial([join(folder, 'missing')])).rejects.toThrow('there is no such file or folder')
  })
})

describe("the paper's tables", () => {
  it('stand beside ours, each figure with a link to its run', async () => {
    const folder = makeReproduction(temporaryFolder())
    makeRun(join(folder, 'runs/a'))
    const material = await readMaterial([folder])
    expect(findingOf(material)).toMatch(
      /^Of 5 figures of ours 2 agree with the paper's, 1 is better, 1 is worse and 1 is in another order\. With 90 %/,
    )
    const page = await reportPage(material)
    expect(page).toMatch(
      /✓<\/span> <a href="#run-1">82\.1<\/a> \[79\.1, 85\.1\]<small>paper 82\.7; −0\.6<\/small>/,
    )
    expect(page).toMatch(/–<small>paper 49\.6 not run yet<\/small>/)
    expect(page).toContain('kept 100.0, paper 100.0; +0.0')
    expect(page).toContain('Matched fine-tuning keeps more.')
    expect(page).not.toContain('<b>')
    expect(tablesOf(material).paper).toHaveLength(6)
  })
})

describe('the other forms', () => {
  it('have the same figures', async () => {
    const material = await readMaterial([join(results, 'cifar10-cpu'), join(results, 'sparse')])
    const { networks, speed } = tablesOf(material)
    expect(networks.map((row) => row.era)).toEqual([31.3, 7, 30.1])
    expect(speed.length).toBe(80)
    const markdown = reportMarkdown(material)
    expect(markdown).toContain('30.1 [27.3, 33.0]')
    expect(csv(networks).split('\r\n')[0]).toContain('era,era.low,era.high,era.n')
  })

  it('quote what CSV would take for something else', () => {
    expect(csv([{ a: 'x,"y"\n', b: 1 }, { b: [1, 2] }])).toBe('a,b\r\n"x,""y""\n",1\r\n,"[1,2]"\r\n')
  })
})

describe('a long history', () => {
  it('is thinned in bounded memory, and ends with the present', () => {
    const reader = new HistoryReader()
    const last = 100_001
    for (let epoch = 1; epoch <= last; epoch++)
      reader.event({ event: 'epoch', epoch, loss: 1 / epoch, accuracy: 1, learningRate: 1 })
    const { epochs, thinned } = reader.history
    expect(thinned).toBe(true)
    expect(epochs.length).toBeLessThanOrEqual(4096)
    expect(epochs.at(0)?.epoch).toBe(1)
    expect(epochs.at(-1)?.epoch).toBe(last)
    const gaps = epochs.slice(1, -1).map(({ epoch }, index) => epoch - (epochs[index]?.epoch ?? 0))
    expect(new Set(gaps).size).toBe(1)
  })
})
