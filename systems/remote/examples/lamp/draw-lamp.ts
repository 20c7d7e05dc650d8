import { COLOURS, type LampState } from './lamp'

/** Characters: the bulb is drawn in a square of so many, with its light around it. */
const WIDTH = 21
const HEIGHT = 9

/** The lamp as lines for a terminal that shows colours. */
export function drawLamp(state: LampState): string[] {
  const { on, brightness, colour } = state
  const light = on ? brightness / 100 : 0
  const lines: string[] = []
  for (let y = 0; y < HEIGHT; y++) {
    let line = '  '
    for (let x = 0; x < WIDTH; x++) {
      // Characters are twice as high as wide.
      const distance = Math.hypot((x - (WIDTH - 1) / 2) / 2, y - (HEIGHT - 1) / 2)
      line += cell(distance, light, COLOURS[colour])
    }
    lines.push(`${line}\u001b[0m`)
  }
  return [...lines, `          ▐█▌   ${describeLamp(state)}\u001b[K`]
}

export function describeLamp({ on, brightness, colour }: LampState): string {
  return on ? `on, ${brightness} %, ${colour}` : 'off'
}

function cell(distance: number, light: number, colour: readonly number[]): string {
  if (distance > 4.6) return '\u001b[0m '
  const isBulb = distance <= 2.6
  const strength = isBulb ? 0.12 + 0.88 * light : light * (1 - (distance - 2.6) / 2) * 0.55
  if (strength < 0.03) return '\u001b[0m '
  return `\u001b[48;2;${colour.map(part => Math.round(part * strength)).join(';')}m `
}
