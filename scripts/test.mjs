// `npm test [-- VITEST ARGUMENTS]`: sets everything up, then runs the tests.
import { main, root, run } from './common.mjs'
import { setup } from './setup.mjs'

await main(async () => {
  await setup()
  const args = ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)]
  await run(process.execPath, args, { cwd: root, stdio: 'inherit', what: 'vitest' })
})
