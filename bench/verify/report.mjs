// Writes the results of bench/verify as JSON and as a table, and prints that.
import { writeFileSync } from 'node:fs'

export const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const MEMORY_GOAL = 2 * 2 ** 30
const mib = (bytes) => Math.round(bytes / 2 ** 20)
const short = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(2))
const ms = (side) =>
  side === undefined ? '–' : `${short(side.median)} (${short(side.fastest)}–${short(side.slowest)})`
const memory = (side) =>
  side === undefined ? '–' : `${mib(side.peakBytes)} (${mib(side.peakBytes - side.baselineBytes)})`
const times = (row, side) =>
  row[side] === undefined ? '–' : `${(row[side].median / row.coppice.median).toFixed(2)}×`
const setting = ({ setting: { mode, batch, rows } }) =>
  [`batch ${batch}`, mode, rows > 0 && `${rows} rows a pass`].filter(Boolean).join(', ')
const percent = (share) => `${(100 * share).toFixed(1)} %`
/** Which part of the machine's peak so many multiply-adds in the measured time are. */
const ofPeak = (row, gmacs) =>
  row.peakGflops === undefined ? '–' : percent((2 * gmacs) / (row.coppice.median / 1000) / row.peakGflops)

const columns = [
  ['weights', (row) => row.weights],
  ['method', (row) => row.method],
  ['unstable', (row) => percent(row.coppice.unstable)],
  ['Coppice ms', (row) => ms(row.coppice)],
  ['auto_LiRPA ms', (row) => ms(row.lirpa)],
  ['ratio', (row) => times(row, 'lirpa')],
  ['auto_LiRPA, memory kept, ms', (row) => ms(row.kept)],
  ['ratio', (row) => times(row, 'kept')],
  ['Coppice MiB', (row) => memory(row.coppice)],
  ['auto_LiRPA MiB', (row) => memory(row.lirpa)],
  ['GMAC all / done', (row) => `${short(row.gmacs)} / ${short(row.gmacsDone)}`],
  ['of peak', (row) => ofPeak(row, row.gmacsDone)],
  ['max Δ margin', (row) => (row.difference === undefined ? '–' : row.difference.toExponential(1))],
  ['max margin', (row) => (row.largest === undefined ? '–' : short(row.largest))],
]

/** Where Coppice is not the better side, one line each. */
function losses(rows) {
  const lines = []
  for (const row of rows) {
    const { weights, method, coppice } = row
    for (const side of ['lirpa', 'kept']) {
      const name = side === 'lirpa' ? 'auto_LiRPA' : 'auto_LiRPA with its memory kept'
      if (row[side] === undefined) continue
      if (row[side].median < coppice.median) lines.push(`${weights}, ${method}: slower than ${name}`)
      if (row[side].peakBytes < coppice.peakBytes)
        lines.push(`${weights}, ${method}: takes more memory than ${name}`)
    }
    if (coppice.peakBytes > MEMORY_GOAL) lines.push(`${weights}, ${method}: takes more than 2 GiB`)
    if (row.lirpa && Math.abs(row.lirpa.unstable - coppice.unstable) > 1e-3)
      lines.push(
        `${weights}, ${method}: ${percent(coppice.unstable)} of the neurons are unstable here, ${percent(row.lirpa.unstable)} there`,
      )
  }
  return lines
}

const tried = (rows, side, name) =>
  rows.flatMap((row) =>
    row[side] === undefined
      ? []
      : `- ${row.weights}, ${row.method}, ${name}: ${row[side].tried
          .map(
            (entry) =>
              `${setting(entry)} ${entry.failed === undefined ? short(entry.milliseconds) : 'failed'}`,
          )
          .join('; ')}`,
  )

/** `path` without the extensions .json and .md. `results`: command, hardware, epsilon, data and one row per weights and method. */
export function report(path, results) {
  const { command, hardware, epsilon, data, rows } = results
  writeFileSync(`${path}.json`, `${JSON.stringify(results, null, 2)}\n`)
  const { coppice, lirpa } = rows[0]
  const versions = [
    `Coppice on torch ${coppice.torch}`,
    lirpa && `auto_LiRPA ${lirpa.version} on torch ${lirpa.torch}`,
    rows[0].peakGflops && `peak ${median(rows.map((row) => row.peakGflops)).toFixed(0)} GFLOP/s`,
  ].filter(Boolean)
  const lost = losses(rows)
  const praise = lirpa
    ? 'Coppice is the faster and the smaller side in every row.'
    : 'Measured without the baseline.'
  const line = (cells) => `| ${cells.join(' | ')} |`
  const text = `# Bounds of the margins, cifarLarge, ε ${epsilon}

\`${command}\`
${hardware}; ${versions.join('; ')}; ${data} images. Milliseconds an image, median (fastest–slowest) of all passes, the sides taking turns in processes of their own; each side at its fastest setting. Peak resident MiB (above what was there before the first bound). Every intermediate bound by the same method; Coppice's time is that of sound bounds. "Memory kept": glibc's allocator told to keep freed memory, which spares page faults.
GMAC: multiply-adds of an image if all neurons need a pass of their own, and those that Coppice did, which leaves out neurons proved stable before; "of peak": what its time makes of the latter, against the faster of a big convolution and a big matrix product in the same run.

${line(columns.map(([name]) => name))}
${line(columns.map(() => '---'))}
${rows.map((row) => line(columns.map(([, cell]) => cell(row)))).join('\n')}

${lost.length === 0 ? praise : `Where Coppice is not ahead:\n${lost.map((l) => `- ${l}`).join('\n')}`}

Settings tried (ms an image):
${[...tried(rows, 'coppice', 'Coppice'), ...tried(rows, 'lirpa', 'auto_LiRPA'), ...tried(rows, 'kept', 'auto_LiRPA, memory kept')].join('\n')}
`
  writeFileSync(`${path}.md`, text)
  console.log(text)
}
