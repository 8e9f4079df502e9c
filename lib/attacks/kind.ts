/** What every kind of attack must offer. */
import type { z } from 'zod'
import type { NativeAttack } from '../../bindings/native.js'
import { LIMITS } from '../base/limits.js'
import { fractionBetween } from '../base/numbers.js'
import { integer } from '../base/schemas.js'

/** What an attack of any kind has. */
export interface AttackBase {
  /** Half the side of the L∞ box around an image, clipped to [0,1], in [0,1] pixels. */
  readonly epsilon: number
}

/** One kind of attack: how it is read, named, told and handed to the native search. */
export interface AttackKind<Kind extends AttackBase, Schema extends z.ZodType> {
  /** Reads it from a recipe or options, with defaults and limits; its `kind` is the name in the table. */
  schema: Schema
  /** What a short name says after the name of the kind, such as `50x10`; undefined where it says nothing sensible. */
  parse: (rest: string) => Partial<Kind> | undefined
  /** What people may write, for a message about a wrong name. */
  hint: string
  /** Options that go with another ε than the default. */
  within: (epsilon: number) => Partial<Kind>
  /** The short name, which `parse` reads. */
  name: (attack: Kind) => string
  /** The short name for people, such as `PGD-50x10`. */
  title: (attack: Kind) => string
  native: (attack: Kind) => NativeAttack
  /** Cost for one image: forward passes 1, backward passes to the pixels 1. */
  work: (attack: Kind) => number
}

/** Schema of `AttackBase.epsilon`. */
export const epsilonSchema = fractionBetween(0, 1).default(8 / 255)

/** Schema of how many classes a targeted attack aims at. */
export const targetsSchema = integer(1, LIMITS.classes).default(9)

/** What a short name says of steps and restarts: `10`, `-10`, `50x10` or nothing; undefined for anything else. */
export const countsIn = (text: string): { steps?: number; restarts?: number } | undefined => {
  const match = /^(?:-?(\d+)(?:x(\d+))?)?$/.exec(text)
  if (match === null) return undefined
  const [, steps, restarts] = match
  return {
    ...(steps === undefined ? {} : { steps: Number(steps) }),
    ...(restarts === undefined ? {} : { restarts: Number(restarts) }),
  }
}

/** The same in a short name; nothing where both are the usual. */
export const countsOf = (steps: number, restarts: number, usual: number): string => {
  if (restarts > 1) return `-${steps}x${restarts}`
  return steps === usual ? '' : `-${steps}`
}
