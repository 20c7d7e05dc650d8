import { digits, ratio } from './format.js'
import { table } from './table.js'

/** Per cent from which a change is pointed at; below it is what one machine differs from itself. */
const REMARKABLE = 15

/** Processor time a token of each side, as a multiple of what raw tls takes for as many bytes in the same run. */
export function baselineFigures(items) {
  const figures = {}
  for (const { id, kind, contenders } of items) {
    const ours = Object.entries(contenders).find(([name]) => name !== 'raw-tls')?.[1]
    if (ours === undefined) continue
    const [sender, receiver] = kind === 'ask' ? ['ask', 'answer'] : ['send', 'receive']
    figures[`${id} ${sender}`] = ours.senderCpu.ofBase
    figures[`${id} ${receiver}`] = ours.receiverCpu.ofBase
  }
  return figures
}

/** A table of figures (spreads) beside those of the baseline (numbers), and the change in per cent. */
export function comparison(figures, baseline) {
  const rows = Object.entries(figures).map(([name, spread]) => {
    const kept = baseline[name]
    const change = kept === undefined ? Number.NaN : (spread.median / kept - 1) * 100
    return [name, ratio(spread), kept === undefined ? '–' : digits(kept), percent(change), remark(change)]
  })
  return table([['processor time, raw tls = 1', 'now', 'baseline', 'change', ''], ...rows])
}

function percent(change) {
  return Number.isFinite(change) ? `${change > 0 ? '+' : ''}${change.toFixed(0)} %` : '–'
}

function remark(change) {
  if (change > REMARKABLE) return 'dearer'
  return change < -REMARKABLE ? 'cheaper' : ''
}
