import { COLOURS, type LampState } from './lamp'

/** How many colours a terminal shows: 24 bits of them, or 256. */
export type Colours = 'many' | 'few'

/** Characters, which are twice as high as wide. */
const WIDTH = 13
const HEIGHT = 5

/** In heights of a character. */
const BULB = 1.6
const GLOW = 3.4

const DARK_GLASS = [70, 70, 70] as const

/** The lamp as lines for a terminal that shows colours. */
export function drawLamp(state: LampState, colours: Colours): string[] {
  const lines: string[] = []
  for (let y = 0; y < HEIGHT; y++) {
    let line = '  '
    for (let x = 0; x < WIDTH; x++) {
      const distance = Math.hypot((x - (WIDTH - 1) / 2) / 2, y - (HEIGHT - 1) / 2)
      line += `${colourOf(lightAt(distance, state), colours)} `
    }
    lines.push(`${line}\u001b[0m`)
  }
  return [...lines, `       ▐█▌      ${describeLamp(state)}`]
}

export function describeLamp({ on, brightness, colour }: LampState): string {
  return on ? `on, ${brightness} %, ${colour}` : 'off'
}

/** @returns red, green and blue; undefined: nothing is seen there */
function lightAt(distance: number, { on, brightness, colour }: LampState): readonly number[] | undefined {
  if (distance <= BULB && !on) return DARK_GLASS
  const power = on ? brightness / 100 : 0
  const strength =
    distance <= BULB ? 0.2 + 0.8 * power : power * 0.5 * Math.max(0, 1 - (distance - BULB) / (GLOW - BULB))
  return strength < 0.04 ? undefined : COLOURS[colour].map(part => Math.round(part * strength))
}

function colourOf(light: readonly number[] | undefined, colours: Colours): string {
  if (light === undefined) return '\u001b[0m'
  if (colours === 'many') return `\u001b[48;2;${light.join(';')}m`
  const [red, green, blue] = light.map(part => Math.round((part / 255) * 5)) as [number, number, number]
  return `\u001b[48;5;${16 + 36 * red + 6 * green + blue}m`
}
