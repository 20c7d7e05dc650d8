import { html, raw } from 'hono/html'
import { COUNTER_MEANINGS, type CounterName } from '../core/counters'
import type { Refusal } from '../core/refusals'
import { ago, bytes, clock, duration, percent, rate, whole } from './formats'
import { PAGE_SCRIPT } from './page-script'
import { PAGE_STYLE } from './page-style'
import { rateChart } from './rate-chart'
import type { SlowConsumer, StatusReport } from './status-report'
import type { TopTopicsReport } from './top-topics'
import { visibleText } from './visible-text'

type Html = ReturnType<typeof html>

const ICON =
  "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><rect x='2' y='9' width='3' height='5' fill='%232a6fdb'/><rect x='6.5' y='5' width='3' height='9' fill='%232a6fdb'/><rect x='11' y='2' width='3' height='12' fill='%232a6fdb'/></svg>"

/** Above it a process is short of time. */
const BUSY = 0.9

/** The whole page. What is inserted is escaped, but for our own style and script; the script replaces what is `data-live`. */
export function statusPage(report: StatusReport): Html {
  const { at, uptime } = report
  const host = visibleText(report.host)
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<noscript><meta http-equiv="refresh" content="5"></noscript>
<title>Broker ${host}</title>
<link rel="icon" href="${raw(ICON)}">
<style>${raw(PAGE_STYLE)}</style>
</head>
<body>
<header>
<h1>Broker <small>${host}</small></h1>
<p class="quiet" id="time" data-live>Up ${duration(uptime)} · ${clock(at)}</p>
</header>
<p class="banner bad" id="alarm" role="alert" hidden></p>
<main id="figures" data-live>
${problems(report)}
${rates(report)}
${tiles(report)}
<div class="two">
<section><h2>Top topics</h2>${topTopics(report.topTopics)}</section>
<section><h2>Slow consumers</h2>${slowConsumers(report)}</section>
</div>
<section><h2>Last refusals</h2>${refusals(report)}</section>
<section><h2>Since the start</h2>${counters(report)}</section>
</main>
<footer class="quiet">
<p id="pace">Refreshed every 2 seconds.</p>
<p>For programs: <a href="/status.json">/status.json</a>, <a href="/metrics">/metrics</a></p>
</footer>
<script>${raw(PAGE_SCRIPT)}</script>
</body>
</html>
`
}

function problems({ storeDown, connections, lastMinute, perSecond }: StatusReport): Html {
  const { dropped, storeErrors } = lastMinute
  const found = [
    storeDown !== null && `The store is away: ${storeDown}.`,
    storeErrors > 0 && `The store failed ${times(storeErrors)} in the last minute.`,
    dropped > 0 &&
      `${dropped === 1 ? '1 message was' : `${whole(dropped)} messages were`} dropped in the last minute.`,
    connections.open >= connections.most && `All ${whole(connections.most)} connections are taken.`,
    perSecond.cpu > BUSY && `The broker uses ${percent(perSecond.cpu)} of a core.`
  ].filter(problem => problem !== false)
  if (found.length === 0) return html`<p class="banner good">No problems in the last minute.</p>`
  return html`<p class="banner bad">${found.join(' ')}</p>`
}

function rates({ perSecond, seconds }: StatusReport): Html {
  const card = (title: string, what: 'published' | 'delivered') =>
    html`<section class="${what}"><h2>${title}</h2><strong>${rate(perSecond[what])}</strong>${rateChart(
      title,
      seconds.map(second => second[what])
    )}</section>`
  return html`<div class="two rates">${card('Publishes/s', 'published')}${card('Deliveries/s', 'delivered')}</div>`
}

function tiles({ connections, perSecond, lastMinute, sinceStart, memoryBytes }: StatusReport): Html {
  const { open, most } = connections
  const { dropped, refused } = lastMinute
  return html`<div class="tiles">
${tile('Connections', whole(open), `of at most ${whole(most)}`, open >= most)}
${tile('Dropped', whole(dropped), `in a minute; ${whole(sinceStart.dropped)} in all`, dropped > 0)}
${tile('Refused', whole(refused), `in a minute; ${whole(sinceStart.refused)} in all`)}
${tile('CPU', percent(perSecond.cpu), `of a core; ${bytes(memoryBytes)} of memory`, perSecond.cpu > BUSY)}
</div>`
}

function tile(title: string, value: string, note: string, isBad = false): Html {
  return html`<section class="${isBad ? 'bad' : ''}"><h2>${title}</h2><strong>${value}</strong><p class="quiet">${note}</p></section>`
}

function topTopics({ topics, uncertainty }: TopTopicsReport): Html {
  if (topics.length === 0) return nothing('No messages since this page was opened.')
  return html`<table>
<thead><tr><th scope="col">Topic</th><th scope="col" class="number">Messages/s</th><th scope="col" class="number">Bytes/s</th></tr></thead>
<tbody>
${topics.map(
  ({ topic, messagesPerSecond, bytesPerSecond }) =>
    html`<tr><td>${name(topic)}</td><td class="number">${rate(messagesPerSecond)}</td><td class="number">${bytes(bytesPerSecond)}</td></tr>`
)}
</tbody>
</table>
${uncertainty > 0 ? html`<p class="note">There are more topics than are counted: a topic may have up to ${rate(uncertainty)} messages/s more.</p>` : ''}`
}

function slowConsumers({ slowConsumers: slow, maxWaitingBytes, at }: StatusReport): Html {
  if (slow.length === 0) return nothing('Everybody takes what is sent to them.')
  return html`<table>
<thead><tr><th scope="col">Consumer</th><th scope="col" class="number">Waiting, of ${bytes(maxWaitingBytes)}</th></tr></thead>
<tbody>
${slow.map(
  consumer => html`<tr><td>${who(consumer)}<p class="quiet">connected ${ago(at - consumer.since)}</p></td>
<td class="number">${bytes(consumer.waitingBytes)}<meter min="0" max="${maxWaitingBytes}" optimum="0" low="${maxWaitingBytes / 2}" high="${0.8 * maxWaitingBytes}" value="${consumer.waitingBytes}" aria-label="Share of the bound"></meter></td></tr>`
)}
</tbody>
</table>`
}

function refusals({ refusals: last, at }: StatusReport): Html {
  if (last.length === 0) return nothing('Nothing was refused.')
  return html`<ol>
${last.map(refusal => {
  const { id, at: when, what, why, topic } = refusal
  return html`<li>
<p class="reason"><b>${what}</b> ${visibleText(why)}</p>
<p class="when">${ago(at - when)}</p>
<p class="facts">${topic === undefined ? '' : html`<span>topic ${name(topic)}</span>`}${who(refusal)}</p>
<p class="id">id <code>${id}</code></p>
</li>`
})}
</ol>
<p class="note">The log has each under its id.</p>`
}

function counters({ counters: counts }: StatusReport): Html {
  return html`<dl>
${Object.entries(COUNTER_MEANINGS).map(
  ([counter, meaning]) =>
    html`<div><dt>${meaning}</dt><dd>${whole(counts[counter as CounterName])}</dd></div>`
)}
</dl>`
}

function who({ user, clientId, address }: Partial<SlowConsumer> & Partial<Refusal>): Html {
  return html`${user === undefined ? '' : html`<span>${name(user)}</span>`}${
    clientId === undefined ? '' : html`<span>client ${name(withoutSubject(clientId))}</span>`
  }${address === undefined ? '' : html`<span>from ${name(address)}</span>`}`
}

/** Strangers chose it: it is isolated, so that it does not turn what stands beside it. */
function name(text: string): Html {
  return html`<bdi class="name">${visibleText(text)}</bdi>`
}

/** The broker puts the subject before a client id; the page shows the user beside it. */
function withoutSubject(clientId: string): string {
  return clientId.replace(/^[^/]*%3A[^/]*\//, '')
}

function nothing(words: string): Html {
  return html`<p class="quiet">${words}</p>`
}

function times(count: number): string {
  return count === 1 ? 'once' : `${whole(count)} times`
}
