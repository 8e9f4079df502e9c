// Run by ./install.sh of the bundle: checks the tools, then builds the addon with cmake alone.
import { buildNative, nativeOptions } from './build-native.mjs'
import { main, say } from './common.mjs'
import { checkPreconditions } from './preconditions.mjs'

await main(async () => {
  const options = await nativeOptions()
  await checkPreconditions({ pip: false })
  await buildNative(options)
  say('\nBuilt. Now: ./coppice doctor')
})
