// Stage sparse: inference engines for networks pruned at random places of a fresh network, every program that competes
// measured on the device: dense ones by cuDNN in fused forms, each type, replayed as graphs as ours are.
import { addon } from '../../dist/bindings/load.js'
import { pruneMask } from '../../dist/lib/index.js'
import { Network } from '../../dist/lib/models/network.js'
import { networkSpec } from '../../dist/lib/networks/index.js'
import { compact } from '../../dist/lib/pruning/compact.js'
import { structureNames } from '../../dist/lib/pruning/structures.js'

export default async ({ results, device, tiny, threads }) => {
  const native = addon()
  native.setThreads(threads)
  const networks = tiny ? ['cifarLarge'] : ['vgg16', 'wideResNet-28-5']
  const batches = tiny ? [16] : [128, 1024]
  for (const name of networks)
    for (const structure of structureNames)
      for (const type of tiny ? ['fp32'] : ['bf16', 'fp32'])
        for (const batch of batches)
          await results.row(`${name}, ${structure}, ${type}, batch ${batch}`, async () => {
            const network = await pruned(networkSpec(name, { scale: tiny ? 0.25 : 1 }), structure, device)
            const request = {
              batch,
              type,
              threads,
              dense: true,
              sparse: true,
              instructions: 'best',
              tuning: null,
            }
            const engine = await native.compile(network.handle, request).promise
            const { candidates } = engine
            engine.dispose()
            network.dispose()
            const best = (wanted) =>
              candidates
                .filter(({ name }) => name.startsWith('dense') === wanted)
                .toSorted((a, b) => a.seconds - b.seconds)[0]
            const [dense, sparse] = [best(true), best(false)]
            return {
              ...{ network: name, structure, type, batch, dense, sparse },
              ratio: sparse === undefined ? undefined : dense.seconds / sparse.seconds,
            }
          })
}

/** A fresh network, nine weights of ten pruned (or what the structure allows); filters are taken out. */
async function pruned(spec, structure, device) {
  const network = await Network.create(spec, { device, seed: 1 })
  const { layout } = network
  const { parameters, buffers } = await network.read()
  const sparsity = structure === '2:4' ? 0.5 : structure === 'filter' ? 0.7 : 0.9
  const request = {
    spec,
    layout: network.parameterLayout,
    parameters,
    structure,
    sparsity,
    score: 'random',
    seed: 1,
  }
  const { mask } = await pruneMask(request)
  if (structure !== 'filter') {
    await network.handle.write('mask', mask).promise
    return network
  }
  network.dispose()
  const smaller = compact(spec, layout, parameters, buffers, mask)
  return Network.from({ ...smaller, type: 'float32', history: {} }, { device })
}
