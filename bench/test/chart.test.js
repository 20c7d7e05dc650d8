import assert from 'node:assert/strict'
import { test } from 'node:test'
import { barChart } from '../lib/chart.js'

const BARS = [
  { label: 'a & b', value: 2, low: 1.5, high: 2.5, text: '<2>', isOurs: true },
  { label: 'c', value: 1 }
]
const svg = barChart({
  title: 'A "title"',
  panels: [{ title: 'panel', base: 1, bars: BARS }],
  caption: ['word '.repeat(60)]
})

test('text is escaped, so that no name can break the file', () => {
  assert.match(svg, /a &#38; b/)
  assert.match(svg, /&#60;2&#62;/)
  assert.match(svg, /aria-label="A &#34;title&#34;"/)
})

test('bars are as long as their values, of which the longest with its spread fits', () => {
  const widths = [...svg.matchAll(/class="bar[^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width))
  assert.equal(widths.length, 2)
  assert.ok(Math.abs(widths[0] / widths[1] - 2) < 0.01)
  const [, end] = svg.match(/class="spread"[^>]*x2="([\d.]+)"/)
  assert.ok(Number(end) < 860 - 100)
})

test('it is readable in light and dark, and a long caption is cut into lines', () => {
  assert.match(svg, /prefers-color-scheme: dark/)
  assert.equal([...svg.matchAll(/class="caption"/g)].length, 3)
})
