import { RemoteError } from '../errors/remote-error'
import { isNumber } from '../wire/message'
import { answerText, failureText, handlerFailure, refusal, refusedError, type Told } from './answers'
import type { DeviceSession } from './command'
import { MAX_WAITING_LENGTH } from './device-client'

/** Answers what clients ask of the device itself. @throws RemoteError, which the client is told */
export type AskHandler = (payload: unknown, session: DeviceSession) => unknown

/** Asks of one session that wait for their answers. */
const MAX_ASKS = 32

/** What clients ask of the device itself. What can be answered at once is: who asks for more than it reads is refused meanwhile. */
export class Asks {
  readonly #handlers: Map<string, AskHandler>
  readonly #maxBytes: number

  /** @param maxBytes of one answer */
  constructor(handlers: Readonly<Record<string, AskHandler>>, maxBytes: number) {
    this.#handlers = new Map(Object.entries(handlers))
    this.#maxBytes = maxBytes
  }

  on(what: string, handler: AskHandler): void {
    this.#handlers.set(what, handler)
  }

  /** What a client asks. */
  take([, number, what, payload]: readonly unknown[], session: DeviceSession): void {
    if (!isNumber(number)) return
    const refused = this.#checkAsk(session)
    if (refused !== undefined) {
      session.answer({ number, text: failureText(number, refused), hasLeft: false })
      return
    }
    try {
      const handler = this.#handlers.get(what as string)
      if (handler === undefined) throw refusedError('the device knows no such thing', 'unknown-event')
      const value = handler(payload, session)
      if (value instanceof Promise) void this.#answerLater(number, value, session)
      else this.#answerAsk(number, value, session)
    } catch (error) {
      this.#refuseAsk(number, error, session)
    }
  }

  /** Why nothing more is taken of a session; undefined: it is. */
  #checkAsk({ asks, waitingLength }: DeviceSession): Told | undefined {
    if (asks >= MAX_ASKS) return refusal(`${asks} calls of this connection wait, bound ${MAX_ASKS}`, 'busy')
    if (waitingLength >= MAX_WAITING_LENGTH) return refusal('the client reads too slowly', 'busy')
    return undefined
  }

  async #answerLater(number: number, value: Promise<unknown>, session: DeviceSession): Promise<void> {
    session.asks++
    try {
      this.#answerAsk(number, await value, session)
    } catch (error) {
      this.#refuseAsk(number, error, session)
    } finally {
      session.asks--
    }
  }

  #answerAsk(number: number, value: unknown, session: DeviceSession): void {
    session.answer({ number, text: answerText(number, 0, value, this.#maxBytes), hasLeft: false })
  }

  #refuseAsk(number: number, error: unknown, session: DeviceSession): void {
    const text = failureText(number, error instanceof RemoteError ? error : handlerFailure(error))
    session.answer({ number, text, hasLeft: false })
  }
}
