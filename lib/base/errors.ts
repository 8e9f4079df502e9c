/** The one error type of Coppice: a stable `code` for scripts, a message that says what to do for people. */

export type ErrorCode =
  /** A value given by the caller is wrong: a flag, a recipe key, an option, a shape. */
  | 'ERR_INVALID_ARGUMENT'
  /** A file or folder is missing, truncated, corrupt or of the wrong kind. */
  | 'ERR_FILE'
  /** The requested device does not exist, cannot be used, or failed. */
  | 'ERR_DEVICE'
  /** The handle was disposed and is used again. */
  | 'ERR_DISPOSED'
  /** A running job owns the network that should be written: wait for its end, abort it, or use a copy. */
  | 'ERR_BUSY'
  /** Memory ran out, on the host or on the device. */
  | 'ERR_OUT_OF_MEMORY'
  /** Training produced NaN or infinite values, or collapsed. */
  | 'ERR_DIVERGED'
  /** The native addon or libtorch could not be found or loaded. */
  | 'ERR_ADDON'
  /** A network operation that the requested analysis does not support. */
  | 'ERR_UNSUPPORTED'
  /** A proof of robustness is contradicted by what was measured: a defect, never to be passed over. */
  | 'ERR_UNSOUND'
  /** A native job was cancelled. Callers that passed an `AbortSignal` see the signal's reason instead. */
  | 'ERR_ABORTED'
  /** Anything libtorch threw that has no better name. */
  | 'ERR_NATIVE'

/**
 * Every error that Coppice throws on purpose. `cause` holds the lower-level error, with libtorch's
 * backtrace where there is one; `message` never does.
 */
export class CoppiceError extends Error {
  override readonly name = 'CoppiceError'

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options)
  }
}

/** Shorthand for the most frequent error: a value given by the caller is wrong. */
export const invalid = (message: string, cause?: unknown): CoppiceError =>
  new CoppiceError('ERR_INVALID_ARGUMENT', message, cause === undefined ? undefined : { cause })
