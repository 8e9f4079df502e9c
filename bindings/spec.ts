/**
 * A network as data: typed nodes in topological order, with names, inputs and sizes. The spec is stored with
 * the weights, so a network of any shape reloads without code.
 *
 * Activations are [batch, channels, height, width] until `flatten`, then [batch, features]. Images enter as
 * pixels in [0,1] under the name `image`; the last node's output is the logits, and must be a vector.
 */

/**
 * How a weight starts; biases start at 0 unless the rule is `torch`.
 * - `kaimingFanOut`: N(0, 2 / (kernel² · outputs)) (He et al., 2015)
 * - `kaimingFanIn`: N(0, 2 / (kernel² · inputs))
 * - `torch`: PyTorch's default, U(±1/√fanIn) for weights and biases
 * - `{ normal: std }`: N(0, std²)
 */
export type Initialisation = 'kaimingFanOut' | 'kaimingFanIn' | 'torch' | { normal: number }

interface NodeBase {
  /** Unique within the network; parameters are named `<name>.weight`, `<name>.bias`, `<name>.running_mean`, … */
  name: string
  /** Names of the nodes this one reads, or `image`. One input, but two for `add`. */
  inputs: string[]
}

/** y = (x − mean) / std, per channel. Constants, not parameters. */
export interface NormalizeNode extends NodeBase {
  op: 'normalize'
  mean: number[]
  std: number[]
}

/** Square 2-d convolution with zero padding. Weight: [channels, input channels, kernel, kernel]. */
export interface Conv2dNode extends NodeBase {
  op: 'conv2d'
  /** Number of output channels (filters). */
  channels: number
  kernel: number
  /** Default 1. */
  stride: number
  /** Default 0. */
  padding: number
  /** Default true. */
  bias: boolean
  /** Default `kaimingFanOut`. */
  init: Initialisation
}

/** Batch normalisation over [batch, height, width] per channel, with learned scale and shift. */
export interface BatchNorm2dNode extends NodeBase {
  op: 'batchNorm2d'
  /** Default 1e-5. */
  epsilon: number
  /** Weight of the newest batch in the running statistics; default 0.1. */
  momentum: number
}

export interface ReluNode extends NodeBase {
  op: 'relu'
}

/** Square windows without padding; partial windows at the border are dropped. */
export interface PoolNode extends NodeBase {
  op: 'maxPool2d' | 'averagePool2d'
  kernel: number
  /** Default: `kernel`. */
  stride: number
}

/** [channels, height, width] → [channels · height · width], channel-major. */
export interface FlattenNode extends NodeBase {
  op: 'flatten'
}

/** Fully connected layer. Weight: [features, input features]. */
export interface LinearNode extends NodeBase {
  op: 'linear'
  /** Number of output features (neurons). */
  features: number
  /** Default true. */
  bias: boolean
  /** Default `torch`. */
  init: Initialisation
}

/** Sum of two inputs of equal shape: the residual connection. */
export interface AddNode extends NodeBase {
  op: 'add'
}

export type NodeSpec =
  | NormalizeNode
  | Conv2dNode
  | BatchNorm2dNode
  | ReluNode
  | PoolNode
  | FlattenNode
  | LinearNode
  | AddNode

/** The names of all operations. The set is closed: every analysis treats each of them or refuses it by name. */
export type OperationName = NodeSpec['op']

/** Image shape as [channels, height, width]. */
export type ImageShape = [channels: number, height: number, width: number]

export interface NetworkSpec {
  name: string
  input: ImageShape
  /** In topological order: a node only reads nodes before it. The last one gives the logits. */
  nodes: NodeSpec[]
}
