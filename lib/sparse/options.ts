/** The words that say how an engine is made. */
/** Types of arithmetic, the most precise first. */
export const dtypes = ['fp32', 'bf16', 'fp16'] as const

/**
 * The least precise arithmetic that an engine may use for weights and activations; sums are in fp32 (in fp16, partial
 * sums are not). With `bf16` and `fp16` programs in fp32 compete too.
 */
export type Dtype = (typeof dtypes)[number]

export const candidateNames = ['all', 'dense', 'denseInType', 'sparse'] as const

/**
 * Which programs compete: libtorch's dense ones (`denseInType`: none of more precise arithmetic than `dtype`; a CPU has
 * none for fp16), those that skip what was pruned, or all.
 */
export type Candidates = (typeof candidateNames)[number]

/** Which of the CPU's instructions are used. */
export type Instructions = 'best' | 'portable' | 'imitated'
