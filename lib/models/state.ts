/** What a network is, apart from where it lives: its spec, arenas and history, as plain data. */
import type { Floats, ParameterType, TensorLayout } from '../../bindings/native.js'
import type { NetworkSpec } from '../networks/spec.js'
import type { Objective } from '../objectives/index.js'

/** Everything that makes a network what it is, as plain data. The arenas are flat; `layout` says what lies where. */
export interface NetworkState {
  spec: NetworkSpec
  type: ParameterType
  layout: TensorLayout[]
  parameters: Floats
  buffers: Floats
  /** 0 where a parameter is pruned. */
  mask: Uint8Array
  history: TrainingHistory
}

/** What a network was trained for. Fine-tuning under another objective than `objective` is a mismatch. */
export interface TrainingHistory {
  /** The objective of its (pre-)training. */
  readonly objective?: Objective
  /** The objective it was last fine-tuned with while pruning. */
  readonly fineTunedWith?: Objective
}
