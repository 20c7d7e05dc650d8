import type { Outgoing } from '../sealing/outbox'
import type { KeyMode } from '../sealing/session'
import type { ClientRecord, DeviceSession } from './command'

/** A request that came without a connection: it hears its answer, and nothing else. */
export class OnceSession implements DeviceSession {
  readonly session = undefined
  readonly keyId: string
  readonly mode: KeyMode
  readonly record: ClientRecord
  readonly timeout: number
  readonly isRetired = false
  readonly waitingLength = 0
  toldRev = 0
  /** The answer, as JSON. */
  readonly answered: Promise<string>
  #answer: (text: string) => void = () => {}

  constructor(keyId: string, mode: KeyMode, record: ClientRecord, timeout: number) {
    this.keyId = keyId
    this.mode = mode
    this.record = record
    this.timeout = timeout
    this.answered = new Promise(resolve => {
      this.#answer = resolve
    })
  }

  answer({ text }: Outgoing): void {
    this.#answer(text)
  }

  say(): void {}

  tellState(): void {}
}
