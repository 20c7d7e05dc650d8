import { EVERYBODY } from './contenders/index.js'
import { amount, digits, ratio } from './format.js'
import { table } from './table.js'

/** One item as text: what was measured of each contender, the best first. */
export function itemReport(item) {
  const columns = columnsOf(item)
  const entries = Object.entries(item.contenders).sort(byFirst(columns[0]))
  const rows = [
    [item.title, ...columns.map(({ head }) => head)],
    ...entries.map(([name, summary]) => [titleOf(name), ...columns.map(({ cell }) => cell(summary))])
  ]
  const skipped = Object.entries(item.skipped).map(([name, reason]) => `${titleOf(name)}: not run, ${reason}`)
  return [table(rows), ...skipped].join('\n')
}

export function titleOf(name) {
  return EVERYBODY[name]?.title ?? name
}

function columnsOf({ kind, base, isTicked, contenders }) {
  const of = `of ${base}`
  const compared = (figure, head, text = amount) => [
    { head, cell: summary => text(summary[figure]?.median), value: summary => summary[figure]?.median },
    { head: of, cell: summary => ratio(summary[figure]?.ofBase) }
  ]
  if (isTicked) {
    return [
      ...compared('senderTicks', 'sender ticks/ms', digits),
      ...compared('receiverTicks', 'receiver ticks/ms', digits),
      {
        head: 'longest gaps, ms',
        cell: s => `${digits(s.senderGap?.median)} / ${digits(s.receiverGap?.median)}`
      }
    ]
  }
  if (kind === 'memory') {
    return [...compared('serverBytes', 'server, bytes'), ...compared('clientBytes', 'client, bytes')]
  }
  if (kind === 'handshakes') {
    return [
      ...compared('senderCpu', 'client, µs', digits),
      ...compared('receiverCpu', 'server, µs', digits),
      ...compared('rate', 'a second')
    ]
  }
  const peers = [
    { head: 'of ws', cell: ({ rate }) => (rate?.ofWs ? `${digits(rate.ofWs.median)}×` : '–') },
    { head: 'of Go', cell: ({ rate }) => digits(rate?.ofGo?.median) }
  ]
  const hasGo = Object.values(contenders).some(({ rate }) => rate?.ofGo)
  const cost = {
    head: 'CPU µs, send / receive',
    cell: s =>
      `${digits(s.senderCpu.median)} / ${digits(s.receiverCpu.median)}${s.brokerCpu ? ` / broker ${digits(s.brokerCpu)}` : ''}`
  }
  const times = Object.values(contenders).some(({ p50 }) => p50 !== undefined)
    ? [...inMicroseconds('p50', of), ...inMicroseconds('p99', of)]
    : []
  return [
    ...compared('rate', 'a second'),
    ...(hasGo ? peers : peers.slice(0, 1)),
    ...times,
    { head: `capacity ${of}`, cell: s => ratio(s.capacity?.ofBase) },
    cost
  ]
}

function inMicroseconds(figure, of) {
  return [
    { head: `${figure} µs`, cell: summary => digits(summary[figure]?.median * 1000) },
    { head: of, cell: summary => ratio(summary[figure]?.ofBase) }
  ]
}

function byFirst({ value }) {
  return ([, left], [, right]) => (value(right) ?? 0) - (value(left) ?? 0)
}
