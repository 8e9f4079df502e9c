/**
 * Many runs at once. A plan names them (`withSharedPretraining` adds the pre-training that several share), `launch` sets
 * them going where a launcher says, and the folder alone tells what becomes of them: `statusOf`, `follow`, `resultsOf`.
 */
export { carryOut, type TaskOptions, taskNamed } from './carryOut.js'
export { type GridFolder, isGrid, openGrid, readGrid, runFolder } from './folder.js'
export { type GridFile, readGridFile } from './gridFile.js'
export { cancel, type FollowOptions, follow, type Launch, launch } from './launch.js'
export type { Launched, Launcher } from './launcher.js'
export { type LocalOptions, local } from './local.js'
export type { Plan, Task } from './plan.js'
export { resultsOf, type TaskResult } from './results.js'
export { withSharedPretraining } from './sharing.js'
export { carryOutJob, type JobOptions, taskOfJob } from './slurm/job.js'
export { type SlurmOptions, slurmLauncher } from './slurm/launcher.js'
export type { GridStatus, TaskState, TaskStatus } from './states.js'
export { statusOf } from './status.js'
