/** Long work as a value: awaited like a promise, followed step by step, looked at, stopped, and gone on with. */
import { inspect } from 'node:util'
import { CoppiceError, invalid } from './errors.js'
import { formatSeconds } from './numbers.js'

export interface JobProgress {
  /** What is being done, in a few words: `epoch 3/10`. */
  label: string
  /** Images done in this phase, and images it has. */
  done: number
  total: number
  /** Mean loss of the latest batches, while training. */
  loss?: number
  /** Fraction of the whole job that is done. */
  fraction: number
}

/** What the work of a job is told, and tells. */
export interface JobControl {
  /** Aborted when the work is to be dropped; its reason is what the work then throws. */
  readonly signal: AbortSignal
  /** Aborted when the work is to end soon, and keep what it has. */
  readonly halt: AbortSignal
  report(progress: JobProgress): void
}

/** How work ends: with its result, and where it was halted with the job that goes on from there. */
export interface JobEnd<Result, Step> {
  result: Result
  resume?: (() => Job<Result, Step>) | undefined
}

export type JobState = 'running' | 'stopping' | 'stopped' | 'done' | 'failed'

/** Without a strong hold: a job that nobody has any more, halfway through a loop that was left, can be collected. */
const started = new Set<WeakRef<Job<unknown, unknown>>>()

/** The jobs that have begun and not ended, oldest first. */
export const runningJobs = (): Job<unknown, unknown>[] =>
  [...started].flatMap((reference) => {
    const job = reference.deref()
    if (job?.running === true) return [job]
    started.delete(reference)
    return []
  })

/**
 * Training, compression, evaluation and verification are jobs. A job begins at once. It is a promise of its result; or it
 * is iterated, and then whoever iterates sets the pace: `for await (const epoch of train(…))` holds the training while the
 * body of the loop runs, so that the network can be looked at, and `break` stops it as `stop()` does.
 */
export class Job<Result, Step> extends Promise<Result> implements AsyncIterableIterator<Step, undefined> {
  /** `then` and its kin give plain promises. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  readonly #abort = new AbortController()
  readonly #halt = new AbortController()
  readonly #settle: { resolve(value: Result): void; reject(reason: unknown): void }
  readonly #steps: AsyncGenerator<Step, JobEnd<Result, Step>, undefined>
  readonly #begun = performance.now()
  #state: JobState = 'running'
  #progress: JobProgress | undefined
  /** Seconds after the beginning when that was told. */
  #told = 0
  #failure: { reason: unknown } | undefined
  #resume: (() => Job<Result, Step>) | undefined
  /** Whether somebody iterates. */
  #paced = false
  #next: Promise<IteratorResult<Step, undefined>>

  /**
   * @param name what is done to what, for people: `train "vgg16"`
   * @param work begins at once; it returns early once `halt` is aborted
   * @param signal the caller's own, to abort with
   */
  constructor(
    readonly name: string,
    work: (control: JobControl) => AsyncGenerator<Step, JobEnd<Result, Step>, undefined>,
    signal?: AbortSignal,
  ) {
    const settle = { resolve: (_value: Result) => {}, reject: (_reason: unknown) => {} }
    super((resolve, reject) => Object.assign(settle, { resolve, reject }))
    this.#settle = settle
    const own = this.#abort.signal
    this.#steps = work({
      signal: signal instanceof AbortSignal ? AbortSignal.any([signal, own]) : own,
      halt: this.#halt.signal,
      report: (progress) => {
        this.#progress = progress
        this.#told = this.#elapsed()
      },
    })
    started.add(new WeakRef(this as Job<unknown, unknown>))
    this.#next = this.#advance()
    void this.#run()
  }

  get state(): JobState {
    return this.#state
  }

  /** Whether it has not ended yet; a job whose loop holds it is running, too. */
  get running(): boolean {
    return this.#state === 'running' || this.#state === 'stopping'
  }

  /** Where it stands; undefined before the first batch is done. */
  get progress(): JobProgress | undefined {
    return this.#progress
  }

  /** Seconds left at the pace so far; undefined while that cannot be told, or once it has ended. */
  get secondsLeft(): number | undefined {
    const fraction = this.#progress?.fraction ?? 0
    if (!this.running || fraction <= 0) return undefined
    return Math.max(0, this.#told / fraction - this.#elapsed())
  }

  /**
   * Ends it after the batch under way and keeps what was done: the job resolves with that, `stopped: true` in it, and
   * `resume()` goes on. Of an evaluation or verification the batch under way is dropped instead.
   */
  stop(): Promise<Result> {
    if (this.#state === 'running') {
      this.#state = 'stopping'
      this.#halt.abort()
      if (this.#paced) void this.#drain()
    }
    return this
  }

  /** Ends it within a batch; the job rejects with the reason. */
  abort(reason?: unknown): void {
    if (!this.running) return
    this.#abort.abort(reason)
    if (this.#paced) void this.#drain()
  }

  /**
   * A new job that goes on where this one was stopped. A network that nobody changed meanwhile ends in the same bits as
   * if it had not been stopped.
   *
   * @throws CoppiceError if it was not stopped
   */
  resume(): Job<Result, Step> {
    if (this.#resume !== undefined) return this.#resume()
    throw invalid(
      `${this.name}: only a job that was stopped can be gone on with; this one is ${this.#state}` +
        (this.running ? '; stop() it first, and wait for it' : ''),
    )
  }

  /** The next step; the job waits with the one after until it is asked for, too. */
  next(): Promise<IteratorResult<Step, undefined>> {
    if (this.#paced) this.#next = this.#advance()
    else {
      this.#paced = true
      // Whoever iterates sees the error there.
      this.catch(() => undefined)
    }
    return this.#next
  }

  /** Stops it: what `break` in a loop does. */
  async return(): Promise<IteratorResult<Step, undefined>> {
    await this.stop()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  [inspect.custom](): string {
    const { label, fraction, loss } = this.#progress ?? {}
    const left = this.secondsLeft
    const facts = [
      this.#state,
      ...(label === undefined || fraction === undefined ? [] : [label, `${Math.floor(100 * fraction)} %`]),
      ...(loss === undefined ? [] : [`loss ${loss.toPrecision(4)}`]),
      ...(left === undefined ? [] : [`${formatSeconds(left)} left`]),
      ...(this.#resume === undefined ? [] : ['go on with resume()']),
    ]
    return `Job ${this.name} { ${facts.join(', ')} }`
  }

  #elapsed(): number {
    return (performance.now() - this.#begun) / 1000
  }

  async #advance(): Promise<IteratorResult<Step, undefined>> {
    try {
      const { done, value } = await this.#steps.next()
      if (done !== true) return { done: false, value }
      if (this.#failure !== undefined) throw this.#failure.reason
      if (this.running) this.#end(value)
      return { done: true, value: undefined }
    } catch (error) {
      this.#state = 'failed'
      this.#failure = { reason: error }
      this.#settle.reject(error)
      throw error
    }
  }

  #end({ result, resume }: JobEnd<Result, Step>): void {
    this.#state = resume === undefined ? 'done' : 'stopped'
    this.#resume = resume
    this.#settle.resolve(result)
  }

  /** Step after step, until it ends or somebody iterates. */
  async #run(): Promise<void> {
    try {
      while ((await this.#next).done !== true && !this.#paced) this.#next = this.#advance()
    } catch {
      // The promise has it.
    }
  }

  /** Lets the work see that it is to end; steps that nobody asked for are dropped. */
  async #drain(): Promise<void> {
    try {
      while ((await this.#advance()).done !== true);
    } catch {
      // The promise has it.
    }
  }
}

/** What a generator returns, its steps passed over. */
export const lastOf = async <Step, Return>(
  steps: AsyncGenerator<Step, Return, undefined>,
): Promise<Return> => {
  for (;;) {
    const { done, value } = await steps.next()
    if (done === true) return value
  }
}

/** The error of work that was halted before it had anything to keep. */
export const nothingDone = (what: string): CoppiceError =>
  new CoppiceError('ERR_ABORTED', `${what} was stopped before the first image was done`)
