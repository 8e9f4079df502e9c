#!/usr/bin/env node
// Stands in for node-gyp when prebuildify calls it: prebuildify has no notion of cmake-js, whose --target means
// something else. Of prebuildify's arguments only --debug matters; the build goes where prebuildify looks for it.
import { join } from 'node:path'
import { main, root, run } from './common.mjs'

await main(async () => {
  const debug = process.argv.includes('--debug') ? ['--debug'] : []
  const args = [
    join(root, 'scripts/build-native.mjs'),
    '--prebuild',
    '--out',
    join(process.cwd(), 'build'),
    ...debug,
  ]
  const libtorch = process.env.COPPICE_PREBUILD_LIBTORCH
  await run(process.execPath, libtorch ? [...args, '--libtorch', libtorch] : args, { what: 'build-native' })
})
