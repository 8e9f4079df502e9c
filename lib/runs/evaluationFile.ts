/** An evaluation under attack on disk, one line per image: it goes on where it stopped. */
import { z } from 'zod'
import { type Attack, attackSchema } from '../attacks/attack.js'
import type { ImageOutcome } from '../evaluation/outcome.js'
import { ImageFile, type ImageFileHeader, type ImageFileKind } from './imageFile.js'

/** Everything that outcomes depend on. */
export interface EvaluationHeader extends ImageFileHeader {
  attack: Attack
  precision: string
  seed: number
}

const named = z.looseObject({ name: z.string(), fingerprint: z.string() })
// JSON has neither NaN nor infinity.
const loss = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN)

const kind: ImageFileKind<EvaluationHeader, ImageOutcome> = {
  name: 'evaluation',
  event: 'outcomes',
  header: z.looseObject({
    network: named,
    data: named,
    attack: attackSchema,
    precision: z.string(),
    seed: z.int(),
  }),
  line: z.object({
    index: z.int(),
    label: z.int(),
    prediction: z.int(),
    loss,
    adversarialPrediction: z.int(),
    adversarialLoss: loss,
    brokenBy: z.string().nullable(),
  }),
}

/** Opens the file of this evaluation, or begins one. @throws CoppiceError `ERR_FILE` as `ImageFile.open` */
export const openEvaluation = (path: string, header: EvaluationHeader): Promise<ImageFile<ImageOutcome>> =>
  ImageFile.open(kind, path, header)
