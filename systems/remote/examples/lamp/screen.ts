import type { WriteStream } from 'node:tty'
import { type Colours, describeLamp, drawLamp } from './draw-lamp'
import type { LampState } from './lamp'

/** Draws the lamp at the end of a terminal, over the last drawing; elsewhere it writes a line for each change. */
export class Screen {
  readonly #out: WriteStream
  /** Undefined: no lamp is drawn. */
  readonly #colours: Colours | undefined
  #drawn = 0
  #last = ''
  #state: LampState | undefined
  #isPaused = false

  constructor(out: WriteStream) {
    this.#out = out
    this.#colours = coloursOf(out)
  }

  /** Draws nothing while somebody is asked something here. */
  async pauseFor<T>(question: () => Promise<T> | T): Promise<T> {
    this.#isPaused = true
    try {
      return await question()
    } finally {
      this.#isPaused = false
      this.#drawn = 0
      if (this.#state !== undefined) this.show(this.#state)
    }
  }

  /** Lines above the lamp. */
  say(text: string): void {
    this.#clear()
    this.#out.write(`${text}\n`)
    this.#drawn = 0
  }

  show(state: LampState): void {
    this.#state = state
    if (this.#isPaused) return
    const words = describeLamp(state)
    if (this.#colours !== undefined) {
      this.#clear()
      const lines = drawLamp(state, this.#colours)
      this.#out.write(`${lines.join('\n')}\n`)
      this.#drawn = lines.length
    } else if (words !== this.#last) this.#out.write(`lamp: ${words}\n`)
    this.#last = words
  }

  #clear(): void {
    if (this.#drawn > 0) this.#out.write(`\u001b[${this.#drawn}A\u001b[J`)
  }
}

function coloursOf(out: WriteStream): Colours | undefined {
  if (out.isTTY !== true || process.env.NO_COLOR !== undefined) return undefined
  if (out.hasColors(2 ** 24)) return 'many'
  return out.hasColors(256) ? 'few' : undefined
}
