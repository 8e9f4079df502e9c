/**
 * Many runs at once. A plan names them (`withSharedPretraining` adds the pre-training that several share), `launch` sets
 * them going where a launcher says, and the folder alone tells what becomes of them: `statusOf`, `follow`, `resultsOf`.
 */
export { type GridFolder, isGrid, openGrid, readGrid } from './folder.js'
export type { Launched, Launcher } from './launcher.js'
export type { Plan, Task } from './plan.js'
export { withSharedPretraining } from './sharing.js'
export type { GridStatus, TaskState, TaskStatus } from './states.js'
