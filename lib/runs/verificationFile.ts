/** A verification on disk, one line per image: it goes on where it stopped. */
import { z } from 'zod'
import { type Attack, attackSchema } from '../attacks/attack.js'
import { type Verifier, verifierSchema } from '../verification/index.js'
import { type ImageVerdict, verdictNames } from '../verification/verdict.js'
import { ImageFile, type ImageFileHeader, type ImageFileKind } from './imageFile.js'

/** Everything that verdicts depend on. */
export interface VerificationHeader extends ImageFileHeader {
  epsilon: number
  verifier: Omit<Verifier, 'memory'>
  /** On every image, besides what a cascade does. */
  attack: Attack | null
  seed: number
}

const number = z.number().nullable()
const named = z.looseObject({ name: z.string(), fingerprint: z.string() })

const kind: ImageFileKind<VerificationHeader, ImageVerdict> = {
  name: 'verification',
  event: 'verification',
  header: z.looseObject({
    network: named,
    data: named,
    epsilon: z.number(),
    // Its memory, which is not written, counts for nothing here.
    verifier: verifierSchema.transform(({ memory: _, ...verifier }) => verifier),
    attack: attackSchema.nullable(),
    seed: z.int(),
  }),
  line: z.object({
    index: z.int(),
    label: z.int(),
    prediction: z.int(),
    verdict: z.enum(verdictNames),
    method: z.string().nullable(),
    // JSON has no NaN.
    margin: number.transform((value) => value ?? Number.NaN),
    unstable: number.transform((value) => value ?? Number.NaN),
    seconds: z.number(),
  }),
}

/** Opens the file of this verification, or begins one. @throws CoppiceError `ERR_FILE` as `ImageFile.open` */
export const openVerification = (
  path: string,
  header: VerificationHeader,
): Promise<ImageFile<ImageVerdict>> => ImageFile.open(kind, path, header)
