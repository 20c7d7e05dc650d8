import { quantile, spread, spreadOfRatios } from './statistics.js'

/** Of each round's figures: which are compared with the base's of the same round. */
const COMPARED = {
  'one-way': ['rate', 'capacity', 'senderCpu', 'receiverCpu'],
  ask: ['rate', 'capacity', 'senderCpu', 'receiverCpu', 'p50', 'p99'],
  handshakes: ['rate', 'senderCpu', 'receiverCpu'],
  memory: ['serverBytes', 'clientBytes']
}

const TICKS = ['rate', 'senderTicks', 'receiverTicks', 'senderGap', 'receiverGap']

/**
 * What the rounds of an item say: for each contender the spread of each figure, `ofBase`, `ofWs` and `ofGo` the spread
 * of its ratio to that one in the same round.
 */
export function summarize({ id, title, kind, base, isTicked, values, skipped, ciphers, connections }) {
  const names = isTicked ? TICKS : COMPARED[kind]
  const contenders = {}
  for (const [name, rounds] of Object.entries(values)) {
    const summary = {}
    for (const figure of names) {
      const own = rounds.map(round => round[figure])
      if (!own.some(Number.isFinite)) continue
      summary[figure] = {
        ...spread(own),
        ofBase: ratios(own, values[base], figure),
        ofWs: ratios(own, values.ws, figure),
        ofGo: ratios(own, values.go, figure)
      }
    }
    summary.brokerCpu = quantile(
      rounds.map(round => round.brokerCpu ?? 0),
      0.5
    )
    contenders[name] = summary
  }
  const rounds = Math.max(0, ...Object.values(values).map(({ length }) => length))
  return { id, title, kind, base, isTicked, rounds, contenders, skipped, ciphers, connections }
}

function ratios(own, base, figure) {
  if (base === undefined) return null
  const ratio = spreadOfRatios(
    own,
    base.map(round => round[figure])
  )
  return Number.isFinite(ratio.median) ? ratio : null
}
