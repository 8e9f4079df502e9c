/** What became of a grid's tasks, for people. */
import type { GridStatus, TaskStatus } from '../grids/states.js'
import { taskStates } from '../grids/states.js'
import { percent, table } from './tables.js'

/** `12 of 200 done, 4 running, 184 waiting`. */
export const countsLine = ({ tasks, counts }: GridStatus): string =>
  [
    `${counts.done} of ${tasks.length} done`,
    ...taskStates.flatMap((state) =>
      state === 'done' || counts[state] === 0 ? [] : [`${counts[state]} ${state}`],
    ),
  ].join(', ')

/** Fraction of all the work that is done, every task counted alike. */
export const fractionOf = ({ tasks }: GridStatus): number =>
  tasks.reduce((sum, { fraction }) => sum + fraction, 0) / tasks.length

/** Lines for what is worth a line: tasks that are neither done nor just waiting. */
export const statusText = (status: GridStatus): string => {
  const told = status.tasks.filter(
    ({ state, fraction, reason }) =>
      state === 'running' ||
      state === 'failed' ||
      (state === 'stopped' && fraction > 0) ||
      (state === 'waiting' && reason !== undefined),
  )
  return [
    `${status.name} in ${status.folder}: ${countsLine(status)}.`,
    ...status.notes.map((note) => `Note: ${note}.`),
    ...(told.length === 0
      ? []
      : [
          '',
          table(
            ['task', 'state', 'of its work', 'job', 'why'],
            told.map(({ name, state, fraction, job = '', reason = '' }) => [
              name,
              state,
              percent(Math.round(100 * fraction) / 100),
              job,
              reason,
            ]),
            [2],
          ),
        ]),
    ...failures(status),
  ].join('\n')
}

/** Where to read on about what failed. */
const failures = ({ tasks }: GridStatus): string[] => {
  const logs = tasks.flatMap(({ state, log }) => (state === 'failed' && log !== undefined ? [log] : []))
  return logs.length === 0 ? [] : ['', 'Logs of what failed:', ...logs.map((log) => `  ${log}`)]
}

/** The line for a task whose state has changed, where it needs one. */
export const changeLine = (
  before: TaskStatus | undefined,
  { name, state, reason }: TaskStatus,
): string | undefined => {
  if (before?.state === state) return undefined
  if (state === 'failed' || state === 'blocked') return `${name}: ${state}: ${reason ?? 'no reason given'}`
  return before !== undefined && state === 'done' ? `${name}: done` : undefined
}
