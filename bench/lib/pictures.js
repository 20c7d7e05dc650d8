import { barChart } from './chart.js'
import { EVERYBODY } from './contenders/index.js'
import { amount, digits } from './format.js'
import { machineLine, versionsLine } from './machine.js'
import { titleOf } from './report.js'

const SIZES = ['16B', '64B', '1KiB', '16KiB', '64KiB', '1MiB']

/** The charts that the items of a run can fill, by file name. */
export function pictures({ items, machine, date, seed }) {
  const byId = new Map(items.map(item => [item.id, item]))
  const about = [
    `${date.slice(0, 10)}${machine.commit ? `, commit ${machine.commit}` : ''} · ${machineLine(machine)}`,
    versionsLine(machine),
    `Both sides on this machine, a process${machine.isPinned ? ' and a core' : ''} each; seed ${seed}.`
  ]
  const caption = [
    ...about,
    'Bars are medians of ratios to raw tls in the same round of turns, lines their quartiles.'
  ]
  const drawn = {
    'one-way-up.svg': barChart({
      title: 'One way, client to server, mutual TLS: messages a second, raw tls = 1',
      panels: SIZES.flatMap(size => ratioPanel(byId.get(`${size}-up`), 'rate')),
      caption
    }),
    'one-way-down.svg': barChart({
      title: 'One way, server to client, mutual TLS: messages a second, raw tls = 1',
      panels: SIZES.flatMap(size => ratioPanel(byId.get(`${size}-down`), 'rate')),
      caption
    }),
    'round-trips.svg': barChart({
      title: 'Requests and replies of 64 B, mutual TLS, raw tls = 1',
      panels: [
        ...ratioPanel(byId.get('ping'), 'p50', 'ping, median time (shorter is better)'),
        ...ratioPanel(byId.get('ping'), 'p99', 'ping, 99 % take no longer (shorter is better)'),
        ...['64-outstanding', '100x1', '100x16'].flatMap(id =>
          ratioPanel(byId.get(id), 'rate', `${byId.get(id)?.title}: replies a second (longer is better)`)
        ),
        ...ratioPanel(byId.get('request'), 'p50', 'request with its answer, median time (shorter is better)'),
        ...ratioPanel(
          byId.get('request-64'),
          'rate',
          '64 requests outstanding: answers a second (longer is better)'
        )
      ],
      caption
    }),
    'connections.svg': barChart({
      title: 'What a connection costs (shorter is better)',
      panels: [
        ...plainPanel(byId.get('handshakes'), 'senderCpu', 'handshake, processor time of the client', ' µs'),
        ...plainPanel(
          byId.get('handshakes'),
          'receiverCpu',
          'handshake, processor time of the server',
          ' µs'
        ),
        ...plainPanel(byId.get('memory'), 'serverBytes', 'memory of an idle connection on the server', 'B'),
        ...plainPanel(byId.get('memory'), 'clientBytes', 'memory of an idle connection on the client', 'B')
      ],
      caption: about
    })
  }
  return Object.fromEntries(Object.entries(drawn).filter(([, svg]) => svg.includes('class="panel"')))
}

function ratioPanel(item, figure, title = item?.title) {
  if (item === undefined) return []
  const bars = Object.entries(item.contenders)
    // Without TLS it is no contender, and so much faster that it would make all other bars short.
    .filter(([name, summary]) => name !== 'raw-net' && summary[figure]?.ofBase)
    .map(([name, summary]) => {
      const { median, low, high } = summary[figure].ofBase
      return {
        label: titleOf(name),
        value: median,
        low,
        high,
        text: `${digits(median)} · ${absolute(summary[figure].median, figure)}`,
        isOurs: EVERYBODY[name]?.isOurs
      }
    })
  const isTime = figure.startsWith('p')
  bars.sort((left, right) => (isTime ? left.value - right.value : right.value - left.value))
  return bars.length === 0 ? [] : [{ title, base: 1, bars }]
}

function plainPanel(item, figure, title, unit) {
  if (item === undefined) return []
  const bars = Object.entries(item.contenders).map(([name, summary]) => ({
    label: titleOf(name),
    value: summary[figure].median,
    low: summary[figure].low,
    high: summary[figure].high,
    text: unit === 'B' ? `${amount(summary[figure].median)}B` : `${digits(summary[figure].median)}${unit}`,
    isOurs: EVERYBODY[name]?.isOurs
  }))
  return bars.length === 0 ? [] : [{ title, bars }]
}

function absolute(value, figure) {
  return figure.startsWith('p') ? `${digits(value * 1000)} µs` : `${amount(value)}/s`
}
