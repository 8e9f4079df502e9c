import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { readMaterial } from '../../lib/report/material/find.js'
import { reportPage } from '../../lib/report/page/page.js'
import { serveRuns } from '../../lib/report/watch/server.js'
import { WatchedRuns } from '../../lib/report/watch/watched.js'
import { temporaryFolder } from '../helpers.js'
import { makeReproduction, makeRun } from './fixtures.js'

/** COPPICE_CHROMIUM names another one. */
const executablePath = [
  process.env.COPPICE_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && existsSync(path))

const WIDTHS = { desktop: 1280, phone: 390 }
const results = join(__dirname, '../../results')

/** Opens a page that may ask for nothing but itself; `faults` gathers what it should not do. */
const open = async (browser: Browser, url: string, width: number, colorScheme: 'light' | 'dark') => {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme,
    acceptDownloads: true,
  })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const faults: string[] = []
  page.on('console', (message) => faults.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => faults.push(error.message))
  const own = new URL(url).origin
  page.on('request', (request) => {
    const asked = request.url()
    if (asked !== url && !/^(data|blob):/.test(asked) && !(own !== 'null' && asked.startsWith(own)))
      faults.push(asked)
  })
  await page.goto(url)
  return { page, faults }
}

const violations = async (page: Page): Promise<string[]> => {
  // The page's policy lets no script in but its own; this one comes through the debugger.
  await page.evaluate(axe.source)
  const found = (await page.evaluate('axe.run()')) as axe.AxeResults
  return found.violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`,
  )
}

const overflow = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - innerWidth') as Promise<number>

describe.skipIf(executablePath === undefined)('in a browser (skipped without Chromium)', () => {
  let browser: Browser
  let url: string
  const folder = temporaryFolder('file')

  beforeAll(async () => {
    browser = await chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      args: ['--no-sandbox'],
    })
    for (const seed of [1, 2]) makeRun(join(folder, `run${seed}`), { seed, warnings: ['a warning'] })
    makeRun(join(folder, 'an unfinished run with a long name that goes on and on'), {
      finished: false,
      seed: 3,
    })
    makeReproduction(folder)
    const file = join(folder, 'report.html')
    const paths = [folder, join(results, 'cifar10-mixtrain-cpu'), join(results, 'sparse/cifarLarge-filter')]
    writeFileSync(file, await reportPage(await readMaterial(paths)))
    url = pathToFileURL(file).href
  })
  afterAll(() => browser?.close())

  for (const scheme of ['light', 'dark'] as const) {
    for (const [name, width] of Object.entries(WIDTHS)) {
      it(`a report is whole on a ${name} in ${scheme}`, async () => {
        const { page, faults } = await open(browser, url, width, scheme)
        expect(await overflow(page)).toBeLessThanOrEqual(0)
        const charts = await page.locator('figure [role=img] > svg:visible').count()
        expect(charts).toBe(await page.locator('figure').count())
        expect(charts).toBeGreaterThanOrEqual(5)
        expect(await violations(page)).toEqual([])
        expect(faults).toEqual([])
        if (process.env.COPPICE_SCREENSHOTS)
          await page.screenshot({
            path: join(process.env.COPPICE_SCREENSHOTS, `report-${name}-${scheme}.png`),
            fullPage: true,
          })
      })
    }
  }

  it('charts are taken along as files', async () => {
    const { page, faults } = await open(browser, url, WIDTHS.desktop, 'dark')
    await page.locator('#finding summary').click()
    const take = async (kind: string): Promise<Buffer> => {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.locator(`#finding button[data-take=${kind}]`).click(),
      ])
      return readFileSync(await download.path())
    }
    const svg = (await take('svg')).toString()
    expect(svg).toMatch(/^<svg/)
    expect(svg).not.toContain('var(')
    expect((await take('png')).subarray(1, 4).toString()).toBe('PNG')
    expect((await take('csv')).toString()).toContain('VGG16')
    expect(JSON.parse((await take('json')).toString()).$schema).toContain('vega-lite')
    expect(faults).toEqual([])
  })

  it('can be read by keyboard alone, and a number leads to its run in two steps', async () => {
    const { page } = await open(browser, url, WIDTHS.desktop, 'light')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.className')).toBe('skip')
    const link = page.locator('#networks a').first()
    const target = await link.getAttribute('href')
    await link.press('Enter')
    expect(await page.evaluate('location.hash')).toBe(target)
    expect(await page.locator(`${target} dl`).isVisible()).toBe(true)
    await page.locator(`${target} summary`).last().press('Enter')
    expect(await page.locator(`${target} td`).getByText('cifarLarge', { exact: true }).isVisible()).toBe(true)
  })

  it('a run that is watched catches up after it was killed and resumed, without a reload', async () => {
    const run = makeRun(join(temporaryFolder(), 'run'), { finished: false, epochs: 6 })
    const log = join(run, 'metrics.ndjson')
    const watching = await serveRuns(new WatchedRuns([run]), { interval: 50 })
    onTestFinished(() => watching.close())
    const { page, faults } = await open(browser, watching.url, WIDTHS.phone, 'dark')
    await page.getByText('Pre-training epoch 6').waitFor()
    await page.evaluate('window.stillThere = true')
    await page.getByText('Log of run').click()
    truncateSync(log, readFileSync(log).indexOf('\n', 300) + 1)
    const epoch = { event: 'epoch', loss: 0.5, accuracy: 77, learningRate: 1 }
    for (let number = 3; number <= 9; number++)
      appendFileSync(
        log,
        `${JSON.stringify({ time: new Date(number).toISOString(), ...epoch, epoch: number })}\n`,
      )
    await page.getByText('Pre-training epoch 9: loss 0.500').waitFor()
    expect(await page.evaluate('window.stillThere')).toBe(true)
    // What was unfolded stays so.
    expect(await page.locator('.log').isVisible()).toBe(true)
    expect(await overflow(page)).toBeLessThanOrEqual(0)
    expect(await violations(page)).toEqual([])
    expect(faults).toEqual([])
    if (process.env.COPPICE_SCREENSHOTS)
      await page.screenshot({ path: join(process.env.COPPICE_SCREENSHOTS, 'watch.png'), fullPage: true })
  })
})
