import { digits } from './format.js'

const WIDTH = 860
const MARGIN = 20
const LABEL_WIDTH = 220
const VALUE_WIDTH = 120
const BAR_HEIGHT = 16
const ROW_HEIGHT = 22
const PANEL_GAP = 22
const LINE_HEIGHT = 16
/** Characters of the caption in a line: about what fits. */
const CAPTION_CHARACTERS = 130

/** Its own background: a page that shows the picture may be light when the reader's system is dark. */
const STYLE = `
  svg { background: #ffffff; font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif }
  .title { font-size: 17px; font-weight: 600; fill: #1f2328 }
  .panel { font-size: 13px; font-weight: 600; fill: #1f2328 }
  .label, .value { font-size: 12px; fill: #1f2328 }
  .caption { font-size: 11px; fill: #59636e }
  .back { fill: #ffffff }
  .bar { fill: #8c959f }
  .ours { fill: #0969da }
  .spread { stroke: #1f2328; stroke-width: 1.2 }
  .base { stroke: #59636e; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117 }
    .title, .panel, .label, .value { fill: #f0f6fc }
    .caption { fill: #9198a1 }
    .back { fill: #0d1117 }
    .bar { fill: #656c76 }
    .ours { fill: #4493f8 }
    .spread { stroke: #f0f6fc }
    .base { stroke: #9198a1 }
  }`

/**
 * Draws bars, one panel a question.
 *
 * @param panels `{ title, unit, base, bars: [{ label, value, low, high, text, isOurs }] }`; at `base` stands a line
 * @param caption lines of text below
 * @returns a whole SVG file
 */
export function barChart({ title, panels, caption }) {
  let top = MARGIN + 16
  const parts = [text('title', MARGIN, top, title)]
  top += 14
  for (const panel of panels) {
    top += PANEL_GAP
    parts.push(text('panel', MARGIN, top, panel.title))
    top += 8
    parts.push(...drawBars(panel, top))
    top += panel.bars.length * ROW_HEIGHT
  }
  top += PANEL_GAP
  for (const line of caption.flatMap(wrapped)) {
    parts.push(text('caption', MARGIN, top, line))
    top += LINE_HEIGHT
  }
  const height = Math.round(top + MARGIN / 2)
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">
<style>${STYLE}
</style>
<rect class="back" width="${WIDTH}" height="${height}"/>
${parts.join('\n')}
</svg>
`
}

function drawBars({ bars, base }, top) {
  const left = MARGIN + LABEL_WIDTH
  const room = WIDTH - left - VALUE_WIDTH - MARGIN
  const largest = Math.max(base ?? 0, ...bars.map(({ value, high }) => Math.max(value, high ?? 0)))
  const x = value => left + (value / largest) * room
  const parts = bars.flatMap((bar, row) => {
    const y = top + row * ROW_HEIGHT
    const middle = y + BAR_HEIGHT / 2
    const width = Math.max(1, x(bar.value) - left)
    const end = Math.max(x(bar.value), x(bar.high ?? bar.value)) + 6
    return [
      text('label', left - 8, middle + 4, bar.label, 'end'),
      `<rect class="bar${bar.isOurs ? ' ours' : ''}" x="${left}" y="${y}" width="${round(width)}" height="${BAR_HEIGHT}" rx="2"/>`,
      ...(bar.high > bar.low
        ? [
            `<line class="spread" x1="${round(x(bar.low))}" x2="${round(x(bar.high))}" y1="${middle}" y2="${middle}"/>`
          ]
        : []),
      text('value', round(end), middle + 4, bar.text ?? digits(bar.value))
    ]
  })
  if (base !== undefined) {
    const bottom = top + bars.length * ROW_HEIGHT - (ROW_HEIGHT - BAR_HEIGHT)
    parts.unshift(
      `<line class="base" x1="${round(x(base))}" x2="${round(x(base))}" y1="${top - 3}" y2="${bottom + 3}"/>`
    )
  }
  return parts
}

function text(name, x, y, content, anchor = 'start') {
  return `<text class="${name}" x="${x}" y="${y}" text-anchor="${anchor}">${escaped(content)}</text>`
}

function wrapped(line) {
  const lines = ['']
  for (const word of line.split(' ')) {
    const last = lines.at(-1)
    if (last !== '' && last.length + word.length >= CAPTION_CHARACTERS) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return lines
}

function escaped(content) {
  return content.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`)
}

function round(value) {
  return Math.round(value * 10) / 10
}
