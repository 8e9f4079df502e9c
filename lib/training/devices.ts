/** Where training runs, as recipes and options say it. */
import { z } from 'zod'
import type { Device } from '../../bindings/native.js'
import { LIMITS } from '../base/limits.js'
import { show } from '../base/numbers.js'

/** Where tensors live. */
export const deviceSchema = z.custom<Device>(
  (value) => typeof value === 'string' && /^(cpu|cuda(:\d{1,4})?)$/.test(value),
  { error: (issue) => `expected cpu, cuda or cuda:N, received ${show(issue.input)}` },
)

/** Devices that share batches with a network's own. */
export const moreDevicesSchema = z
  .array(deviceSchema, { error: (issue) => `expected a list of devices, received ${show(issue.input)}` })
  .max(LIMITS.moreDevices, { error: `expected at most ${LIMITS.moreDevices} devices` })
