// One trial of Coppice: coppice.mjs REQUEST   (JSON, as run.mjs makes it; prints one line of JSON)
// `model`, `data`, `images`, `attacks`, `epsilon`, `batch`, `threads` and `seed` as for reference.py; of several attacks
// the cascade `autoattack` is made.
import { addon } from '../../dist/bindings/load.js'
import { cifar10, evaluate, loadNetwork, parseAttack } from '../../dist/lib/index.js'

const request = JSON.parse(process.argv[2])
const { attacks, epsilon, images, batch: batchSize, seed } = request
addon().setThreads(request.threads)
const network = await loadNetwork(request.model)
const { test } = await cifar10(request.data)
const attack = parseAttack(attacks.length > 1 ? 'autoattack' : attacks[0], { epsilon })
const before = process.cpuUsage()
const started = performance.now()
const { perSample } = await evaluate(network, test, { attack, images, batchSize, seed })
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage(before)
const { predictions, brokenBy } = perSample
console.log(
  JSON.stringify({ predictions: [...predictions], brokenBy, seconds, cpuSeconds: (user + system) / 1e6 }),
)
