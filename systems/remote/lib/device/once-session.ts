import type { KeyMode } from '../sealing/session'
import { carried } from './answers'
import type { Answer, ClientRecord, DeviceSession } from './command'

/** A request that came without a connection: it hears its answer, and nothing else. */
export class OnceSession implements DeviceSession {
  readonly session = undefined
  readonly keyId: string
  readonly mode: KeyMode
  readonly record: ClientRecord
  readonly timeout: number
  readonly isEnded = false
  readonly isRetired = false
  asks = 0
  readonly waitingLength = 0
  toldRev = 0
  /** The answer, as JSON; undefined: nobody waits for it any more. */
  readonly answered: Promise<string | undefined>
  readonly #maxBytes: number
  #answer: (text?: string) => void = () => {}

  /** @param maxBytes of the answer that can be carried */
  constructor(keyId: string, mode: KeyMode, record: ClientRecord, timeout: number, maxBytes: number) {
    this.keyId = keyId
    this.mode = mode
    this.record = record
    this.timeout = timeout
    this.#maxBytes = maxBytes
    this.answered = new Promise(resolve => {
      this.#answer = resolve
    })
  }

  answer(item: Answer): void {
    this.#answer(carried(item, this.#maxBytes).text)
  }

  giveUp(): void {
    this.#answer()
  }

  say(): void {}

  tellState(): void {}
}
