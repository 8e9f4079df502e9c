/** A job is watched, stopped after a while with what it learned, saved, and gone on with. */
import { allCnn, builtin, loadNetwork, train } from 'coppice'

const quick = process.env.COPPICE_EXAMPLES === 'quick'

const data = await builtin(quick ? { train: 200, test: 50 } : {})
using net = await allCnn({ scale: quick ? 0.1 : 0.5, seed: 1 })

const job = train(net, data.train, { epochs: quick ? 2 : 20 })
const watch = setInterval(() => console.log(job.progress), quick ? 50 : 1000)
setTimeout(() => job.stop(), quick ? 100 : 5000)
const { stopped, epoch } = await job
clearInterval(watch)
console.log(stopped ? `stopped in epoch ${epoch}` : 'done before it was stopped')

const file = process.env.COPPICE_EXAMPLES_FOLDER ?? '.'
await net.save(`${file}/so-far.safetensors`)
using saved = await loadNetwork(`${file}/so-far.safetensors`)
console.log(saved)

if (stopped) console.log(await job.resume())
