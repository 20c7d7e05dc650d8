import { escaped } from '../errors/escaped'
import { failureError } from '../errors/handler-failures'
import { protocolError, type TokenError } from '../errors/token-error'
import { JoinedToken } from '../receiving/joined-token'
import type { Session } from '../session/session'
import type { FailedFrame } from '../wire/control-frame'

/**
 * What the peer says of single tokens of this side, `docs/wire-format.md` section 18: an answer goes to whoever asked as
 * soon as it is whole, never behind tokens that wait for a consumer. In a session the peer is told how many came.
 */
export class IncomingAnswers {
  readonly #session: Session
  readonly #joined: JoinedToken
  /** The number of the token that is being answered. */
  #to = 0

  constructor(session: Session, maxTokenLength: number) {
    this.#session = session
    this.#joined = new JoinedToken(maxTokenLength)
  }

  /** ANSWER was read. @throws TokenError when nobody asked */
  begin(to: number): void {
    if (!this.#session.deliveries.isAsked(to)) throw notAsked('ANSWER', to)
    this.#to = to
  }

  push(bytes: Buffer, left: number): void {
    this.#joined.add(bytes, left, false)
    if (left > 0) return
    this.#session.answered++
    this.#session.deliveries.answer(this.#to, this.#joined.take())
  }

  /** @throws TokenError for a token that was answered before, or never sent */
  failed({ to, code, reason }: FailedFrame, tokensSent: number): void {
    const { deliveries } = this.#session
    if (to <= deliveries.handed || to > tokensSent) throw notAsked('FAILED', to)
    this.#session.answered++
    if (!deliveries.fail(to, () => failureError(code, escaped(reason)))) throw notAsked('FAILED', to)
  }
}

function notAsked(frame: string, to: number): TokenError {
  return protocolError(
    'protocol-error',
    `Cannot accept ${frame} here: token ${to} was never sent, does not ask, or has its answer`
  )
}
