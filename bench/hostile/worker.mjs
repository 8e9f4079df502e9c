// Runs command lines that arrive one at a time, in this process, and answers with how each ended.
import { main } from '../../dist/lib/cli/main.js'

const write = { out: process.stdout.write, err: process.stderr.write }

async function ended({ argv, env, interruptAfter }) {
  let [stdout, stderr] = [0, '']
  process.stdout.write = (text) => {
    stdout += text.length
    return true
  }
  process.stderr.write = (text) => {
    stderr += text
    return true
  }
  Object.assign(process.env, env)
  process.exitCode = undefined
  const timer = setTimeout(() => process.emit('SIGINT'), interruptAfter)
  const started = performance.now()
  try {
    const code = await main(argv)
    // Warnings come in a later turn.
    await new Promise((resolve) => setImmediate(resolve))
    return { code, stdout, stderr, seconds: (performance.now() - started) / 1000 }
  } finally {
    clearTimeout(timer)
    process.stdout.write = write.out
    process.stderr.write = write.err
    process.exitCode = undefined
  }
}

process.on('message', async (job) => process.send(await ended(job)))
