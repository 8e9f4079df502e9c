// `npm start [-- --data FOLDER] [-o FOLDER]`: sets everything up, then does the main job twice on the built-in images:
// pre-train, prune, fine-tune and evaluate an adversarially trained network, then a verifiably trained one. With --data:
// the former on the real CIFAR-10 in that folder. Runs go to the folder -o, by default runs, and a report of them too.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Failure, main, root, run } from './common.mjs'
import { setup } from './setup.mjs'

await main(async () => {
  const { values } = parseArgs({
    options: { data: { type: 'string' }, output: { type: 'string', short: 'o' } },
  })
  // npm runs scripts in the package's folder, and tells where the user stood.
  const here = (path) => resolve(process.env.INIT_CWD ?? process.cwd(), path)
  const data = values.data && here(values.data)
  if (data !== undefined && !existsSync(data)) throw new Failure(`--data ${data}: the folder is not there.`)
  await setup()
  const names = data === undefined ? ['builtin', 'builtin-mixtrain'] : ['cifar10-cpu']
  const from = data === undefined ? [] : ['--data', data]
  const folder = values.output ? here(values.output) : 'runs'
  const coppice = join(root, 'dist/lib/cli/main.js')
  for (const name of names) {
    const output = join(folder, name)
    // An interrupted run goes on where it stopped; of a finished one the result is shown.
    const job = existsSync(join(output, 'recipe.json'))
      ? ['resume', output]
      : ['run', join(root, 'recipes', `${name}.yaml`), '-o', output, ...from]
    await run(process.execPath, [coppice, ...job], { stdio: 'inherit', what: `coppice ${job[0]}` })
  }
  const report = ['report', ...names.map((name) => join(folder, name)), '-o', join(folder, 'report.html')]
  await run(process.execPath, [coppice, ...report], { stdio: 'inherit', what: 'coppice report' })
})
