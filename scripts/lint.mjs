// `npm run lint`: Biome, the type check of sources and tests, and clang-format where it is installed.
import { relative } from 'node:path'
import { capture, Failure, filesUnder, main, root, run, say, which } from './common.mjs'
import { areRulesCurrent } from './rooms.mjs'
import { installDependencies } from './setup.mjs'

await main(async () => {
  await installDependencies()
  const failed = []
  const check = async (what, command, args) => {
    say(`${what} …`)
    await run(command, args, { what }).catch((error) => failed.push(error.message))
  }
  if (!areRulesCurrent())
    failed.push("biome.rooms.json is not what scripts/rooms.mjs says: run 'node scripts/rooms.mjs'")
  await check('biome', process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'check', '.'])
  await check('tsc', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.check.json'])
  await checkNativeFormat()
  if (failed.length > 0) throw new Failure(failed.join('\n'))
  say('No complaints.')
})

/** Names files that clang-format would change; versions of it disagree in details, so that is no failure. */
async function checkNativeFormat() {
  if (which('clang-format') === undefined) {
    say('clang-format: skipped, it is not installed')
    return
  }
  say('clang-format …')
  for (const file of filesUnder(['native'], ['.cc', '.h', '.cu', '.cuh'])) {
    const { ok } = await capture('clang-format', ['--dry-run', '--Werror', file])
    if (!ok) say(`  would change ${relative(root, file)}`)
  }
}
