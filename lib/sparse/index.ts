/** Inference of pruned networks that is really faster, and what pruning would gain before it is done. */

export { type CompileOptions, compile } from './compile.js'
export { type EngineFacts, type RunOptions, SparseEngine, type TimeOptions } from './engine.js'
export { type Candidates, type Dtype, dtypes, type Instructions } from './options.js'
export { type LayerPrediction, type Prediction, type PredictOptions, predictSpeedup } from './predict.js'
