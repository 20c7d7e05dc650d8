import { setTimeout as wait } from 'node:timers/promises'
import type { EventDescription } from '../../lib/device/event-description'
import type { CommandContext, CommandRequest } from '../../lib/device/handler'

export interface LampState {
  readonly on: boolean
  /** Percent. */
  readonly brightness: number
  readonly colour: keyof typeof COLOURS
}

/** Red, green and blue of a lamp at its brightest. */
export const COLOURS = {
  warm: [255, 190, 100],
  daylight: [240, 245, 255],
  red: [255, 60, 50],
  green: [70, 220, 90],
  blue: [80, 130, 255]
} as const

const DARK: LampState = { on: false, brightness: 60, colour: 'warm' }

/** What the phone page shows as buttons and forms. */
export const LAMP_EVENTS: Readonly<Record<string, EventDescription>> = {
  on: { title: { en: 'On', es: 'Encender' } },
  off: { title: { en: 'Off', es: 'Apagar' } },
  brightness: {
    title: { en: 'Dim', es: 'Regular' },
    fields: {
      brightness: {
        type: 'range',
        title: { en: 'Brightness', es: 'Brillo' },
        min: 1,
        max: 100,
        unit: '%'
      }
    }
  },
  colour: {
    title: { en: 'Change', es: 'Cambiar' },
    fields: {
      colour: {
        type: 'choice',
        title: { en: 'Colour', es: 'Color' },
        choices: [
          { value: 'warm', title: { en: 'Warm white', es: 'Blanco cálido' } },
          { value: 'daylight', title: { en: 'Daylight', es: 'Luz de día' } },
          { value: 'red', title: { en: 'Red', es: 'Rojo' } },
          { value: 'green', title: { en: 'Green', es: 'Verde' } },
          { value: 'blue', title: { en: 'Blue', es: 'Azul' } }
        ]
      }
    }
  },
  sunrise: {
    title: { en: 'Sunrise', es: 'Amanecer' },
    fields: {
      seconds: {
        type: 'number',
        title: { en: 'Duration', es: 'Duración' },
        unit: 's',
        min: 1,
        max: 100,
        step: 1,
        default: 20
      }
    }
  },
  reset: { title: { en: 'Factory reset', es: 'Restablecer' }, danger: true }
}

/** A lamp that exists in the terminal only. */
export class Lamp {
  #state: LampState = DARK
  #sunrise = new AbortController()
  readonly #onChange: (state: LampState) => void

  constructor(onChange: (state: LampState) => void) {
    this.#onChange = onChange
  }

  get state(): LampState {
    return this.#state
  }

  /** The handler of all of its events. */
  readonly handle = async (
    { event, payload }: CommandRequest,
    { progress, signal }: Pick<CommandContext, 'progress' | 'signal'>
  ): Promise<unknown> => {
    if (event === 'sunrise') return await this.#rise(numberIn(payload, 'seconds', 1, 100), progress, signal)
    const change = changeOf(event, payload)
    this.#sunrise.abort()
    this.#set(change)
    return null
  }

  async #rise(
    seconds: number,
    progress: (share: number) => void,
    signal: AbortSignal
  ): Promise<string> {
    this.#sunrise = new AbortController()
    const stopped = AbortSignal.any([signal, this.#sunrise.signal])
    const steps = Math.ceil(seconds * 4)
    for (let step = 1; step <= steps && !stopped.aborted; step++) {
      this.#set({ on: true, colour: 'warm', brightness: Math.max(1, Math.round((100 * step) / steps)) })
      progress(step / steps)
      await wait(250, undefined, { signal: stopped }).catch(() => undefined)
    }
    if (stopped.aborted) throw exposed('The sunrise was stopped.')
    return '☀'
  }

  #set(change: Partial<LampState>): void {
    this.#state = { ...this.#state, ...change }
    this.#onChange(this.#state)
  }
}

function changeOf(event: string, payload: unknown): Partial<LampState> {
  switch (event) {
    case 'on':
    case 'off':
      return { on: event === 'on' }
    case 'brightness':
      return { on: true, brightness: numberIn(payload, 'brightness', 1, 100) }
    case 'colour': {
      const { colour } = (payload ?? {}) as { colour?: unknown }
      if (typeof colour !== 'string' || !Object.hasOwn(COLOURS, colour))
        throw exposed('There is no such colour.')
      return { on: true, colour: colour as LampState['colour'] }
    }
    case 'reset':
      return DARK
    default:
      throw exposed('A lamp can not do that.')
  }
}

function numberIn(payload: unknown, name: string, min: number, max: number): number {
  const value = (payload as Record<string, unknown> | null)?.[name]
  if (typeof value !== 'number' || !(value >= min && value <= max))
    throw exposed(`${name} is no number from ${min} to ${max}.`)
  return value
}

/** An error whose words are for whoever asked. */
function exposed(words: string): Error {
  return Object.assign(new Error(words), { expose: true })
}
