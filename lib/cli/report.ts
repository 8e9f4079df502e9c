/** `coppice report RUNS…`: what runs and benchmarks found, as one page to look at. */
import { extname, join } from 'node:path'
import { Command } from 'commander'
import { invalid } from '../base/errors.js'
import { listed } from '../base/words.js'
import { fileError, makeFolder } from '../files/files.js'
import { writeJson } from '../files/json.js'
import { replaceFile } from '../files/replaceFile.js'
import { csv } from '../report/csv.js'
import { findingOf } from '../report/finding.js'
import { reportMarkdown } from '../report/markdown.js'
import { readMaterial } from '../report/material/find.js'
import type { Material } from '../report/material/record.js'
import { reportPage } from '../report/page/page.js'
import { tablesOf } from '../report/tablesOf.js'
import { note, printResult } from './output.js'

interface Flags {
  output: string
  csv?: string
  json?: boolean
}

const WRITERS: Readonly<Record<string, (path: string, material: Material) => Promise<void>>> = {
  '.html': async (path, material) => write(path, await reportPage(material)),
  '.md': (path, material) => write(path, reportMarkdown(material)),
  '.json': (path, material) => writeJson(path, asJson(material)),
}

export const reportCommand = (): Command =>
  new Command('report')
    .description('what runs and benchmarks found, as one page to look at')
    .argument(
      '<run...>',
      'run directories, folders of coppice reproduce or bench sparse -o, or folders in which some lie',
    )
    .option('-o, --output <file>', `what to write: ${listed(Object.keys(WRITERS))}`, 'report.html')
    .option('--csv <folder>', 'write its tables there too: networks.csv, training.csv (step, timestamp) …')
    .option('--json', 'print the report as JSON')
    .action(async (paths: string[], { output, csv: folder, json }: Flags) => {
      const writer = WRITERS[extname(output)]
      if (writer === undefined)
        throw invalid(`-o ${output}: expected a file that ends in ${listed(Object.keys(WRITERS))}`)
      const material = await readMaterial(paths)
      await writer(output, material)
      if (folder !== undefined) await writeTables(folder, material)
      note(`written: ${output}${folder === undefined ? '' : `, ${folder}`}`)
      printResult(json, json && asJson(material), () => findingOf(material))
    })

const write = (path: string, text: string): Promise<void> => replaceFile(path, (file) => file.writeFile(text))

/** A file for each table that has records. */
const writeTables = async (folder: string, material: Material): Promise<void> => {
  await makeFolder(folder).catch((error) => {
    throw fileError('cannot make the folder', folder, error)
  })
  for (const [name, records] of Object.entries(tablesOf(material)))
    if (records.length > 0) await write(join(folder, `${name}.csv`), csv(records))
}

const asJson = (material: Material) => ({
  finding: findingOf(material),
  faults: material.faults,
  runs: material.runs.map(({ id: _, rows: __, outcomes: ___, layers: ____, ...run }) => run),
  tables: tablesOf(material),
})
