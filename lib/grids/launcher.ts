/** Where the tasks of a grid run: a pool on this machine (`local`), or a cluster's scheduler (`slurm`). */
import type { GridFolder } from './folder.js'
import type { Task } from './plan.js'

export interface Launcher {
  readonly kind: 'local' | 'slurm'
  /**
   * Sets these tasks going, each after the task it waits for, if that is among them or under way.
   *
   * @throws CoppiceError where there is no such scheduler, or it refuses: then none of these tasks is left under way
   */
  start(grid: GridFolder, tasks: readonly Task[], signal: AbortSignal | undefined): Promise<Launched>
}

/** Tasks that are under way. */
export interface Launched {
  /** Resolves when this process is no longer needed; at once where a scheduler has taken over. */
  readonly released: Promise<void>
}
