// `npm run clean [-- --all]`: removes what was built; --all also the installed libtorch and dependencies.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { main, root, say } from './common.mjs'

await main(async () => {
  const { values } = parseArgs({ options: { all: { type: 'boolean' } } })
  const built = ['dist', 'build', 'prebuilds', 'docs/api']
  const installed = ['.libtorch', '.libtorch.partial', '.libtorch-cuda', 'node_modules']
  for (const name of values.all ? [...built, ...installed] : built) {
    rmSync(join(root, name), { recursive: true, force: true })
    say(`removed ${name}`)
  }
})
