/**
 * Coppice: prune robust neural networks without losing their robustness. The public API; everything here is
 * documented where it is defined. ε is always in pixels of the [0,1] image.
 *
 * @packageDocumentation
 */

export type { TrainableMethod } from '../bindings/boundMethods.js'
export { type Diagnosis, diagnose } from '../bindings/doctor.js'
export type { Exercise } from '../bindings/exercise.js'
export type { BuiltAgainst, LibtorchCandidate, LibtorchSource } from '../bindings/libtorch.js'
export type {
  BoundMethod,
  BuildInfo,
  Device,
  DeviceInfo,
  EngineCandidate,
  EngineStage,
  Floats,
  MemoryInfo,
  NativeAugmentation,
  ParameterType,
  Precision,
  TensorLayout,
} from '../bindings/native.js'
export type { DeviceProbe, Probe } from '../bindings/probe.js'
export type * from '../bindings/spec.js'
export {
  type Apgd,
  type ApgdLoss,
  type Attack,
  type AttackOptions,
  type AutoAttack,
  apgd,
  attackWithin,
  autoAttack,
  describeAttack,
  type Fab,
  fab,
  type Pgd,
  parseAttack,
  pgd,
  type Square,
  square,
} from './attacks/attack.js'
export type { Start } from './attacks/pgd.js'
export { CoppiceError, type ErrorCode } from './base/errors.js'
export {
  Job,
  type JobControl,
  type JobEnd,
  type JobProgress,
  type JobState,
  runningJobs,
} from './base/job.js'
export { version } from './base/version.js'
export type { OnWarning, WarningCode } from './base/warnings.js'
export { type Proportion, proportion, wilson } from './base/wilson.js'
export {
  type CompressCursor,
  type CompressOptions,
  type CompressProgress,
  type CompressStep,
  compress,
} from './compression/compress.js'
export { type ResumeOptions, resumeRun, runRecipe } from './compression/pipeline.js'
export type { RunHooks, RunProgress } from './compression/session.js'
export type { FetchOptions } from './data/fetch.js'
export {
  type Augment,
  type BuiltinOptions,
  builtin,
  cifar10,
  type DataOptions,
  type DataSplits,
  Dataset,
  dataSet,
  fetchCifar10,
  fetchData,
  type ImageArrays,
  imageSet,
  type LabelledImages,
} from './data/index.js'
export {
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  type ImageOutcome,
  type Outcomes,
} from './evaluation/evaluate.js'
export {
  adversarialExamples,
  type EngineEvaluation,
  type EvaluateEngineOptions,
  evaluateEngine,
} from './evaluation/evaluateEngine.js'
export type { Accuracies } from './evaluation/tally.js'
export { exportOnnx, type OnnxOptions } from './formats/onnx/export.js'
export { importOnnx, type OnnxModel, readOnnxModel } from './formats/onnx/import.js'
export { exportTorch, type TorchExportOptions } from './formats/torch/export.js'
export {
  importTorch,
  readTorchModel,
  type TorchModel,
  type TorchModelTensor,
  type TorchReadOptions,
} from './formats/torch/import.js'
export { torchModule } from './formats/torch/module.js'
export { readVnnlib, type VnnlibProperty } from './formats/vnnlib/read.js'
export { type RobustnessOptions, vnnlibProperty } from './formats/vnnlib/write.js'
export { foldBatchNorm } from './models/fold.js'
export type { Layer } from './models/layers.js'
export type { Model } from './models/modelFile.js'
export {
  allCnn,
  cifarLarge,
  type NamedNetworkOptions,
  type NamedNetworks,
  networks,
  vgg16,
  wideResNet,
} from './models/named.js'
export { type CreateOptions, loadNetwork, Network, type NetworkPruneOptions } from './models/network.js'
export { pretrained, pretrainedNames } from './models/pretrained.js'
export type { NetworkState, TrainingHistory } from './models/state.js'
export { Tensor } from './models/tensor.js'
export { describeNetwork, type NetworkDescription, type NodeDescription } from './networks/describe.js'
export { networkNames, networkSpec } from './networks/index.js'
export type { NetworkOptions, Normalization } from './networks/options.js'
export { parseSpec, specSchema } from './networks/parse.js'
export type { WideResNetOptions } from './networks/wideResNet.js'
export {
  type Adversarial,
  adversarial,
  type CrownIbp,
  crownIbp,
  describeObjective,
  type Fgsm,
  type FgsmOptions,
  fgsm,
  type Ibp,
  ibp,
  type KappaOptions,
  type MixTrain,
  type MixTrainOptions,
  mixTrain,
  type Natural,
  type NFgsm,
  type NFgsmOptions,
  natural,
  nFgsm,
  type Objective,
  objective,
  sameObjective,
  type Trades,
  type TradesOptions,
  trades,
} from './objectives/index.js'
export type { Residual } from './pruning/layers.js'
export { type PruneReport, type PruneRequest, pruneMask } from './pruning/mask.js'
export { patternsOf } from './pruning/patterns.js'
export type { PruneSchedule } from './pruning/schedules.js'
export type { Scope } from './pruning/scopes.js'
export type { Score } from './pruning/scores.js'
export type { Structure } from './pruning/structures.js'
export { parseRecipe, type Recipe } from './recipes/recipe.js'
export { readRecipeFile, setValue } from './recipes/recipeFile.js'
export type { RunEvent } from './runs/events.js'
export type { ResultRow, RunResult, VerifiedFigures } from './runs/result.js'
export {
  type Candidates,
  type CompileOptions,
  compile,
  type Dtype,
  type EngineFacts,
  type Instructions,
  type LayerPrediction,
  type Prediction,
  type PredictOptions,
  predictSpeedup,
  type RunOptions,
  SparseEngine,
  type TimeOptions,
} from './sparse/index.js'
export { defaultOptimiser } from './training/defaults.js'
export { type Adam, adam, type Optimiser, type OptimiserChoice, type Sgd, sgd } from './training/optimiser.js'
export type { Checkpointer, EpochResult, TrainCursor, TrainHooks, TrainProgress } from './training/plan.js'
export type { LearningRateSchedule, Ramp } from './training/schedules.js'
export { type TrainingSettings, type TrainOptions, type TrainSummary, train } from './training/train.js'
export { type BoundsOptions, margins, nodeBounds } from './verification/bounds.js'
export {
  type BoundOptions,
  type BoundVerifier,
  type Cascade,
  describeVerifier,
  type Verifier,
  type VerifierOptions,
  verifier,
  verifierNames,
} from './verification/index.js'
export type { Verification } from './verification/summary.js'
export {
  type ImageVerdict,
  type RecordedOutcomes,
  type Verdict,
  type VerifiedOutcomes,
  verdictsOf,
} from './verification/verdict.js'
export { type VerifyOptions, verify } from './verification/verify.js'
