/** Waiting for native jobs under an AbortSignal. */
import type { NativeJob } from './native.js'

/** Starts a native job and waits for it. An abort cancels it within one batch and rejects with the signal's reason. */
export async function settle<T>(start: () => NativeJob<T>, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted()
  const job = start()
  const cancel = () => job.cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return await job.promise
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}
