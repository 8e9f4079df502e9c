/** Events of a run as lines for people. */
import type { RunEvent } from '../runs/events.js'
import type { ResultRow } from '../runs/result.js'
import { formatProportion, percent } from './tables.js'

/** The line for an event, or nothing where it needs none. */
export const describeEvent = (event: RunEvent): string | undefined => {
  switch (event.event) {
    case 'epoch':
      return `pre-train epoch ${event.epoch}: ${training(event)}`
    case 'pretrained':
      return `dense network of ${event.from}`
    case 'step':
      return (
        `${event.branch} step ${event.step} of ${event.steps}: sparsity ${percent(Number(event.sparsity))}` +
        (event.loss === undefined ? '' : `, ${training(event)}`)
      )
    case 'evaluation': {
      const row = event as unknown as ResultRow
      return `${row.name}: benign ${formatProportion(row.accuracy)}, ERA ${formatProportion(row.era)} (n = ${row.n})${proofs(row)}`
    }
    case 'mismatch':
      return `note: ${event.branch} fine-tunes with ${event.fineTuned}, but the network was trained with ${event.trained}`
    case 'warning':
      return `warning: ${event.message}`
    default:
      return undefined
  }
}

/** `, VRA 30.2 [26.3, 34.4] by symbolic (n = 500)` for each verifier. */
const proofs = ({ verifications = [] }: ResultRow): string =>
  verifications
    .map(({ verifier, vra, n }) => `, VRA ${formatProportion(vra)} by ${verifier.kind} (n = ${n})`)
    .join('')

const training = ({ loss, accuracy }: RunEvent): string =>
  `loss ${Number(loss).toFixed(3)}, training accuracy ${Number(accuracy).toFixed(1)} %`
