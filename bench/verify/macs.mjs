// Multiply-adds that bounds of one image need, for a chain of convolutions and linear layers: node macs.mjs prints
// those of cifarLarge. A neuron's backward pass walks only its receptive field; the first layer's bounds are interval
// arithmetic. The floor of a method that can prove nothing stable before.

/** Layers of a spec: what one row costs to pass through them, and how far it spreads. */
function layers(spec) {
  let [channels, side] = spec.input
  const found = []
  for (const node of spec.nodes) {
    if (node.op === 'flatten') {
      channels *= side * side
      side = 1
    } else if (node.op === 'linear') {
      found.push({ out: node.features, in: channels, kernel: 1, stride: 1, side: 1, dense: true })
      channels = node.features
    } else if (node.op === 'conv2d') {
      side = Math.floor((side + 2 * node.padding - node.kernel) / node.stride) + 1
      const { kernel, stride } = node
      found.push({ out: node.channels, in: channels, kernel, stride, side, dense: false })
      channels = node.channels
    } else if (node.op !== 'relu' && node.op !== 'normalize')
      throw new Error(`no count for ${node.op} ("${node.name}")`)
  }
  return found
}

/** One row from the output of layer `from` down to the image; its own weights are where it starts. */
function rowMacs(chain, from) {
  let macs = 0
  // The patch of layer k's outputs that the neuron sees; a linear layer sees all of it.
  let patch = chain[from].dense ? Number.POSITIVE_INFINITY : chain[from].kernel
  for (let k = from - 1; k >= 0; --k) {
    const { out, in: inputs, kernel, stride, side, dense } = chain[k]
    const seen = Math.min(patch, side)
    macs += seen ** 2 * out * inputs * kernel ** 2
    patch = dense ? Number.POSITIVE_INFINITY : (seen - 1) * stride + kernel
  }
  return macs
}

/** Multiply-adds of one image by `method`. */
export function boundMacs(spec, method) {
  const chain = layers(spec)
  const classes = chain.at(-1).out
  const forward = chain.reduce((sum, l) => sum + l.side ** 2 * l.out * l.in * l.kernel ** 2, 0)
  if (method === 'interval') return 2 * forward
  const margins = (classes - 1) * rowMacs(chain, chain.length - 1)
  if (method === 'crownIbp') return 2 * forward + margins
  let inner = 0
  for (let k = 1; k < chain.length - 1; ++k) inner += chain[k].side ** 2 * chain[k].out * rowMacs(chain, k)
  // Two sides of every neuron where the lower and the upper line differ; only lower bounds of margins.
  return (method === 'symbolic' ? 1 : 2) * inner + margins
}
