// `npm run docs`: the API documentation of lib/index.ts in docs/api; a warning is an error.
import { main, run, say } from './common.mjs'
import { installDependencies } from './setup.mjs'

await main(async () => {
  await installDependencies()
  await run(process.execPath, ['node_modules/typedoc/bin/typedoc'], { what: 'typedoc' })
  say('Written to docs/api.')
})
