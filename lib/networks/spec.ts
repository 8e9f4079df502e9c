/** Specs, as networks, pruning and formats use them: the types of the native contract, and the image's name. */
export type * from '../../bindings/spec.js'

/** Name of the input that every network reads: a batch of images with pixels in [0,1]. */
export const IMAGE = 'image'
