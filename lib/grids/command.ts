/** How a task is begun as a process: this Coppice, by absolute paths, wherever the process starts. */
import { join } from 'node:path'
import { packageFolder } from '../base/version.js'
import type { GridFolder } from './folder.js'

/** Node, the compiled command and the grid; `--task NAME` follows. */
export const taskCommand = ({ folder }: Pick<GridFolder, 'folder'>): [string, ...string[]] => [
  process.execPath,
  join(packageFolder, 'dist', 'lib', 'cli', 'main.js'),
  'grid',
  folder,
]
