/** Slurm's commands as small scripts that note what they were asked: `sbatch`, `squeue`, `scancel`, `scontrol`. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { temporaryFolder } from '../helpers.js'

export interface FakeSlurm {
  /** Every call so far: the command and its arguments, as they came. */
  calls(command?: string): string[][]
  /** What the queue holds: lines of `squeue --format=%j|%i|%T|%r`. */
  setQueue(lines: readonly string[]): void
  /** The n-th submission from the beginning, from 1, is refused. */
  refuse(submission: number): void
  /** `squeue` no longer answers. */
  silence(): void
}

const SCRIPTS: Readonly<Record<string, string>> = {
  sbatch: `
[ "$1" = --version ] && { echo "slurm 22.05"; exit 0; }
n=$(($(cat "$0.count" 2>/dev/null || echo 0) + 1)); echo $n > "$0.count"
if [ "$n" = "$(cat "$0.refuse" 2>/dev/null)" ]; then
  echo "sbatch: error: QOSMaxSubmitJobPerUserLimit" >&2
  echo "sbatch: error: Batch job submission failed: Job violates accounting policy" >&2
  exit 1
fi
echo $((100 + n))`,
  squeue: `
[ -e "$0.silent" ] && { echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2; exit 1; }
cat "$0.lines" 2>/dev/null || true`,
  scancel: '',
  scontrol: '[ "$1" = show ] && echo "MaxArraySize            = 5"; exit 0',
}

/** Puts the commands on the PATH until the test ends. */
export const fakeSlurm = (): FakeSlurm => {
  const folder = join(temporaryFolder(), 'bin')
  mkdirSync(folder)
  const file = (name: string) => join(folder, name)
  for (const [name, script] of Object.entries(SCRIPTS)) {
    const note = `{ printf '%s\\0' ${name} "$@"; printf '\\n\\0'; } >> '${file('calls')}'`
    writeFileSync(file(name), `#!/bin/sh\n${note}\n${script}\n`)
    chmodSync(file(name), 0o755)
  }
  setPath(`${folder}:${process.env.PATH}`)
  return {
    calls: (command) => {
      const text = existsSync(file('calls')) ? readFileSync(file('calls'), 'utf8') : ''
      const all = text.split('\n\0').map((call) => call.split('\0').slice(0, -1))
      return all.filter(([name]) => name !== undefined && (command === undefined || name === command))
    },
    setQueue: (lines) => writeFileSync(file('squeue.lines'), lines.map((line) => `${line}\n`).join('')),
    refuse: (submission) => writeFileSync(file('sbatch.refuse'), `${submission}`),
    silence: () => writeFileSync(file('squeue.silent'), ''),
  }
}

/** Changes the PATH until the test ends. */
export const setPath = (path: string): void => {
  const before = process.env.PATH
  process.env.PATH = path
  onTestFinished(() => {
    process.env.PATH = before
  })
}
