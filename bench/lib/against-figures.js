import { otherOf } from './against-plan.js'
import { amount, digits } from './format.js'
import { titleOf } from './report.js'
import { medianInterval, quantile } from './statistics.js'
import { table } from './table.js'

/** Per cent by which nothing should be slower. */
const BOUND = 3

/**
 * The rounds of several runs of the same stage one after the other. A pair whose one half was left out of a run has no
 * rounds of that run.
 *
 * @param runs of each the items with their `values`
 */
export function joined(runs) {
  return runs[0].map((item, index) => {
    const values = {}
    for (const run of runs) {
      for (const name of item.contenders.filter(name => item.contenders.includes(otherOf(name)))) {
        const [own, other] = [run[index].values[name], run[index].values[otherOf(name)]]
        if (own === undefined || other === undefined) continue
        values[name] = [...(values[name] ?? []), ...own]
        values[otherOf(name)] = [...(values[otherOf(name)] ?? []), ...other]
      }
    }
    return { ...item, values }
  })
}

/**
 * A row for each of ours in each item: `speed` and `capacity` of the other's, of which more is better, and the
 * processor time of both sides, of which less is.
 */
export function againstRows(items) {
  return items.flatMap(({ title, values }) =>
    Object.keys(values)
      .filter(name => otherOf(name) in values)
      .map(name => {
        const [own, other] = [values[name], values[otherOf(name)]]
        return {
          title: `${title}: ${titleOf(name)}`,
          own: median(own, speedOf),
          other: median(other, speedOf),
          isTime: Number.isFinite(own[0].p50),
          speed: compared(own, other, speedOf),
          capacity: compared(
            own,
            other,
            ({ senderCpu, receiverCpu }) => 1 / Math.max(senderCpu, receiverCpu)
          ),
          senderCpu: median(own, round => round.senderCpu) / median(other, round => round.senderCpu),
          receiverCpu: median(own, round => round.receiverCpu) / median(other, round => round.receiverCpu)
        }
      })
  )
}

/** The rows as text, and below them which are slower, or dearer, by more than the bound. */
export function againstReport(rows) {
  const text = table([
    ['', 'this', 'other', 'speed', 'with 95 % between', 'CPU send', 'CPU receive', ''],
    ...rows.map(row => [
      row.title,
      absolute(row.own, row),
      absolute(row.other, row),
      fixed(row.speed.ratio),
      `${fixed(row.speed.low)}–${fixed(row.speed.high)}`,
      fixed(row.senderCpu),
      fixed(row.receiverCpu),
      remarks(row).join(', ')
    ])
  ])
  const named = word => rows.filter(row => remarks(row).includes(word)).map(({ title }) => `  ${title}\n`)
  const sections = [
    [`Slower by more than ${BOUND} %:`, named('slower')],
    [`More processor time by more than ${BOUND} %:`, named('dearer')],
    [
      `Perhaps, for the rounds disagree; --only and --rounds tell more:`,
      rows.filter(row => remarks(row).some(word => word.endsWith('?'))).map(({ title }) => `  ${title}\n`)
    ]
  ].filter(([, names]) => names.length > 0)
  const verdict = sections.map(([head, names]) => `${head}\n${names.join('')}`).join('')
  return `${text}\n\n${verdict === '' ? `Nothing is slower, or takes more processor time, by more than ${BOUND} %.\n` : verdict}`
}

function remarks({ speed, capacity }) {
  return [judged(speed, 'slower'), judged(capacity, 'dearer')].filter(word => word !== null)
}

/** Sure only when also the better end of where the ratio lies is beyond the bound. */
function judged({ ratio, high }, word) {
  const least = 1 - BOUND / 100
  if (!(ratio < least)) return null
  return high < least ? word : `${word}?`
}

/** The ratio of medians, and where the median of the rounds' ratios lies. */
function compared(own, other, figure) {
  const ratios = own.map((round, index) => figure(round) / figure(other[index]))
  return { ratio: median(own, figure) / median(other, figure), ...medianInterval(ratios) }
}

/** Of a ping how soon the answer comes, else how many a second. */
function speedOf({ rate, p50 }) {
  return p50 === undefined ? rate : 1 / p50
}

function median(rounds, figure) {
  return quantile(rounds.map(figure), 0.5)
}

function absolute(speed, { isTime }) {
  return isTime ? `${digits(1000 / speed)} µs` : `${amount(speed)}/s`
}

function fixed(ratio) {
  return Number.isFinite(ratio) ? ratio.toFixed(3) : '–'
}
