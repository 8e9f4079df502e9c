/**
 * A minimal inference server: POST raw pixels (uint8, channels × height × width) and get the class. Node stays free while
 * the engine runs, so requests that arrive meanwhile go into the next batch.
 */
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { allCnn, builtin, compile } from 'coppice'

const quick = process.env.COPPICE_EXAMPLES === 'quick'

const { test } = await builtin({ train: 6, test: 10 })
using net = await allCnn({ scale: quick ? 0.1 : 0.5, seed: 1 })
await net.prune({ sparsity: 0.9 })
const engine = await compile(net, { batch: 8 })
const size = test.shape.reduce((product, side) => product * side, 1)

const waiting: { pixels: Uint8Array; answer: (label: number) => void }[] = []
let busy = false
const work = async (): Promise<void> => {
  if (busy) return
  busy = true
  for (let batch = waiting.splice(0, 8); batch.length > 0; batch = waiting.splice(0, 8)) {
    const images = new Float32Array(batch.length * size)
    for (const [place, { pixels }] of batch.entries()) images.set(pixels, place * size)
    const labels = await engine.predict(images.map((value) => value / 255))
    for (const [place, { answer }] of batch.entries()) answer(labels[place] ?? -1)
  }
  busy = false
}
const server = createServer(async (request, response) => {
  const pixels = await buffer(request)
  if (pixels.length !== size) return void response.writeHead(400).end(`send ${size} bytes\n`)
  const label = await new Promise<number>((answer) => {
    waiting.push({ pixels, answer })
    void work()
  })
  response.end(`${test.classNames[label]}\n`)
})
server.listen(quick ? 0 : 8080, 'localhost', async () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  console.log(`listening on port ${port}`)
  if (!quick) return
  const body = Uint8Array.from(test.pixels(0, 1), (value) => Math.round(255 * value))
  const answer = await fetch(`http://localhost:${port}`, { method: 'POST', body })
  console.log(answer.status, await answer.text())
  server.close()
  engine.dispose()
})
