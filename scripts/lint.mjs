// `npm run lint`: Biome, the type check of sources and tests, and clang-format where it is installed.
import { capture, Failure, filesUnder, main, run, say, which } from './common.mjs'
import { installDependencies } from './setup.mjs'

await main(async () => {
  await installDependencies()
  const failed = []
  const check = async (what, command, args) => {
    say(`${what} …`)
    await run(command, args, { what }).catch((error) => failed.push(error.message))
  }
  await check('biome', process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'check', '.'])
  await check('tsc', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.check.json'])
  if (which('clang-format') === undefined) say('clang-format: skipped, it is not installed')
  else {
    const sources = filesUnder(['native'], ['.cc', '.h', '.cu', '.cuh'])
    say(`${(await capture('clang-format', ['--version'])).stdout.trim()} …`)
    await check('clang-format', 'clang-format', ['--dry-run', '--Werror', ...sources])
  }
  if (failed.length > 0) throw new Failure(failed.join('\n'))
  say('No complaints.')
})
