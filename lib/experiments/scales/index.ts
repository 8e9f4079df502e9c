/** The scales by name. A new one is a file and a line here. */
import { nightScale } from './night.js'
import { paperScale } from './paper.js'
import { smokeScale } from './smoke.js'

export const scales = { paper: paperScale, night: nightScale, smoke: smokeScale } as const
export type ScaleName = keyof typeof scales
export const scaleNames = Object.keys(scales) as readonly ScaleName[]
