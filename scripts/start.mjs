// `npm start [-- --data FOLDER] [-o FOLDER]`: sets everything up, then runs the main job: pre-train, prune, fine-tune
// and evaluate on the built-in images, or with --data on the real CIFAR-10 in that folder.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Failure, main, root, run } from './common.mjs'
import { setup } from './setup.mjs'

await main(async () => {
  const { values, tokens } = parseArgs({
    options: { data: { type: 'string' }, output: { type: 'string', short: 'o' } },
    strict: false,
    tokens: true,
  })
  const stray = tokens.find(
    ({ kind, name }) => kind === 'positional' || (kind === 'option' && name !== 'data' && name !== 'output'),
  )
  if (stray !== undefined)
    throw new Failure(
      `npm start takes --data FOLDER and -o FOLDER, not ${stray.rawName ?? stray.value}; for more use ./coppice run.`,
    )
  const { data } = values
  if (data !== undefined && !existsSync(data)) throw new Failure(`--data ${data}: the folder is not there.`)
  await setup()
  const name = data === undefined ? 'builtin' : 'cifar10-cpu'
  const output = values.output ?? join('runs', name)
  const coppice = [join(root, 'dist/lib/cli/main.js')]
  // An interrupted run goes on where it stopped.
  const job = existsSync(join(output, 'recipe.json'))
    ? ['resume', output]
    : ['run', join('recipes', `${name}.yaml`), '-o', output]
  const where = data === undefined || job[0] === 'resume' ? [] : ['--set', `data.folder=${resolve(data)}`]
  await run(process.execPath, [...coppice, ...job, ...where], { stdio: 'inherit', what: `coppice ${job[0]}` })
})
