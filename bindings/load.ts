/** Loads the native addon on first use. */
import type { NativeAddon } from './native.js'

let loaded: NativeAddon | undefined

/** The native addon; loaded once, on the first call. */
export function addon(): NativeAddon {
  if (loaded === undefined) loaded = require('../build/Release/coppice.node') as NativeAddon
  return loaded
}
