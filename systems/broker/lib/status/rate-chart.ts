import { html } from 'hono/html'
import { rate } from './formats'
import { SECONDS_KEPT } from './rates'

const HEIGHT = 40

/** A line over the last two minutes, with a scale of its own. Its newest value is at the right. */
export function rateChart(what: string, values: readonly number[]) {
  const highest = Math.max(0, ...values)
  const top = roundTop(highest)
  const points = values.map((value, index) => {
    const x = SECONDS_KEPT - values.length + index
    return `${x},${(HEIGHT * (1 - value / top)).toFixed(2)}`
  })
  const first = SECONDS_KEPT - values.length
  const last = SECONDS_KEPT - 1
  const label = `${what} of each second, over two minutes: at most ${rate(highest)}`
  return html`<div class="chart">
<p class="scale">${highest === 0 ? 'None in the last two minutes' : rate(top)}</p>
<svg viewBox="0 0 ${last} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">
<path class="grid" d="M0 0H${last}M0 ${HEIGHT / 2}H${last}"/>
<path class="axis" d="M0 ${HEIGHT}H${last}"/>
${highest === 0 ? '' : html`<polygon points="${first},${HEIGHT} ${points.join(' ')} ${last},${HEIGHT}"/><polyline points="${points.join(' ')}"/>`}
</svg>
<p class="times"><span>2 min ago</span><span>now</span></p>
</div>`
}

/** The next of 1, 2, 5, 10, 20, 50 … */
export function roundTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)))
  return power * ([1, 2, 5].find(factor => value <= factor * power) ?? 10)
}
