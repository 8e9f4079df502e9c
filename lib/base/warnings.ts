/** Warnings: for whoever asked to hear them, else told in Node's own way. */

/** What a warning is about. */
export type WarningCode =
  /** Training is no better than guessing. */
  | 'COPPICE_CHANCE'
  /** ε never reaches its full size. */
  | 'COPPICE_RAMP'
  /** Fine-tuning under another objective than that of training. */
  | 'COPPICE_MISMATCH'
  /** A cache of measurements cannot be used or written. */
  | 'COPPICE_CACHE'

/** Takes warnings, each one sentence; without one they are Node's own, of the type `CoppiceWarning`. */
export type OnWarning = (message: string, code: WarningCode) => void

/** Tells one warning. */
export const warn = (message: string, code: WarningCode, onWarning: OnWarning | undefined): void => {
  if (onWarning === undefined) process.emitWarning(message, { type: 'CoppiceWarning', code })
  else onWarning(message, code)
}
