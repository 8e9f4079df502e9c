/** What can become of a task, as everybody who asks sees it. */

/**
 * `done`: its result is there. `running`, `waiting`: with the pool or the scheduler. `failed`: its latest attempt ended
 * with an error. `blocked`: the pre-training it waits for failed. `stopped`: nobody works on it; it goes on, or begins,
 * when the grid is launched again.
 */
export const taskStates = ['done', 'running', 'waiting', 'failed', 'blocked', 'stopped'] as const
export type TaskState = (typeof taskStates)[number]

export interface TaskStatus {
  readonly name: string
  readonly state: TaskState
  /** Of its work, from 0 to 1. */
  readonly fraction: number
  /** Why it failed, or what it waits for, in one line. */
  readonly reason?: string
  /** As Slurm names it, while it is in its queue. */
  readonly job?: string
  /** Its log, where it has one. */
  readonly log?: string
}

export interface GridStatus {
  readonly name: string
  readonly folder: string
  readonly tasks: readonly TaskStatus[]
  readonly counts: Readonly<Record<TaskState, number>>
  /** What could not be asked: a scheduler that does not answer. */
  readonly notes: readonly string[]
}
