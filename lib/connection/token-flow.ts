import { closeCodeOf, isTold } from '../errors/close-code-of'
import { TokenError } from '../errors/token-error'
import type { ConnectionLimits } from '../options/connection-options'
import { answerOf } from '../protocol/answer-of'
import type { Protocol } from '../protocol/protocol'
import { sayClose } from '../protocol/say-close'
import { Receiver } from '../receiving/receiver'
import type { ReceiverHost } from '../receiving/receiver-host'
import type { Outcome, TokenHandlerHost } from '../receiving/token-handler'
import type { UnsettledToken } from '../receiving/unsettled-token'
import { Deadline } from '../runtime/deadline'
import { nextTick } from '../runtime/event-loop'
import { Sender, type SenderHost } from '../sending/sender'
import { Session } from '../session/session'
import type { ProtocolName } from '../wire/header'
import { ConsumerWatch } from './consumer-watch'
import type { Dispatcher } from './event-dispatcher'
import type { Transport } from './transport'

/** The connection whose tokens flow. */
export interface TokenFlowHost extends SenderHost, ReceiverHost {
  readonly limits: ConnectionLimits
  readonly protocolName: ProtocolName
  readonly events: Dispatcher
}

/**
 * The tokens of a connection in both directions, over one transport after another. What the sender and the receiver tell
 * is for the protocol that is spoken at the moment; the session knows where both directions stand.
 *
 * ```
 *                            carry()              drop()            carry()
 *  Sender, Receiver, Session ───┬─────────────────┬─────────────────┬─────────▶
 *  Transport, Protocol          └──── the first ──┘   DETACHED      └── the next
 * ```
 */
export class TokenFlow implements TokenHandlerHost {
  readonly session: Session
  readonly sender: Sender
  readonly receiver: Receiver
  readonly #host: TokenFlowHost
  /** It is null without `idleTimeout`. */
  readonly #idleDeadline: Deadline | null
  /** Made when tokens wait for the first time. */
  #consumerWatch: ConsumerWatch | null = null
  #transport!: Transport
  /** Ends the transport before, which nobody reads any more; null: it has ended. */
  #endPrevious: (() => void) | null = null
  #isDeliveryDue = false
  #hasEnded = false

  /** @param goesOn what the peer has not had may go on by another connection */
  constructor(host: TokenFlowHost, goesOn: boolean) {
    const { idleTimeout, maxTokenLength } = host.limits
    this.#host = host
    this.session = new Session(goesOn)
    this.#idleDeadline = idleTimeout === 0 ? null : new Deadline(idleTimeout, () => this.#idleExpired())
    this.sender = new Sender(host.limits, host)
    this.receiver = new Receiver(maxTokenLength, host.events, host, host.protocolName === 'token/2')
  }

  /** The transport, or the last one. */
  get transport(): Transport {
    return this.#transport
  }

  get protocol(): Protocol {
    return this.#transport.protocol
  }

  carry(transport: Transport): void {
    this.#transport = transport
    this.#use(transport.protocol)
  }

  /** The two sides have agreed on this protocol. */
  speak(protocol: Protocol): void {
    this.#use(protocol)
    this.#previousEnds()
  }

  #use(protocol: Protocol): void {
    this.#transport.protocol = protocol
    this.sender.protocol = protocol
    this.receiver.protocol = protocol
  }

  /**
   * Lets go of the transport; what is on it and not whole is thrown away.
   *
   * @param cause why a token from a stream that was begun on it will not be whole
   * @param told what the peer is told, where it can be; null: nothing
   * @param isReplaced the next one is there: this one ends when both sides have agreed on that, so that the peer sees no cut
   */
  drop(cause: TokenError | null, told: TokenError | null, isReplaced: boolean): void {
    this.#previousEnds()
    const { socket, protocol } = this.#transport
    const code = told === null ? null : closeCodeOf(told)
    const canSpeak = code !== null && !this.sender.isMidToken && socket.writable
    this.#transport.release()
    protocol.stop()
    this.#idleDeadline?.clear()
    this.sender.detach(cause ?? undefined)
    this.session.received = this.receiver.restart()
    if (canSpeak && told !== null) isTold(told, code)
    const { handed } = this.session
    this.#endPrevious = () => {
      if (canSpeak && socket.writable) sayClose(socket, code, { handed })
      else socket.destroy()
    }
    if (!isReplaced) this.#previousEnds()
  }

  #previousEnds(): void {
    const end = this.#endPrevious
    this.#endPrevious = null
    end?.()
  }

  settle(token: UnsettledToken, outcome: Outcome): void {
    if (!this.#hasEnded) {
      const { peerHandles, peerMaxTokenLength } = this.session
      const answer = peerHandles ? answerOf(token, outcome, peerMaxTokenLength) : null
      if (answer === null) this.settled(token)
      else this.sender.answer(answer)
    }
    if ('error' in outcome) this.#host.events.onHandlerError(outcome.error)
  }

  /** What became of the token is told, and can't be lost. */
  settled(token: UnsettledToken): void {
    const cost = this.receiver.given.settle(token)
    this.session.settle(token.number)
    this.protocol.handed?.(0, 0, cost)
    this.protocol.settled?.()
    this.#deliverSoon()
  }

  /** Bytes of a token passed, or reading began or ceased: the connection is not idle. */
  active(): void {
    this.#idleDeadline?.arm()
  }

  /** Bytes are left of what arrived: nobody wants more at the moment. */
  tokensWait(): void {
    this.#consumerWatch ??= new ConsumerWatch(this.receiver, this.#host.limits.consumerTimeout, waiting =>
      this.#host.events.onUnconsumed(waiting)
    )
    this.#consumerWatch.tokensWait()
  }

  /** Nothing flows any more. @param error what has broken the connection */
  end(error: TokenError | null): void {
    this.#hasEnded = true
    this.#previousEnds()
    this.#idleDeadline?.clear()
    this.#consumerWatch?.clear()
    this.protocol.stop()
    this.session.deliveries.end(this.sender.firstUnsent, null, error)
    this.receiver.stop(error)
  }

  /** Tokens may have waited for room for answers. This can be in the middle of a write. */
  #deliverSoon(): void {
    if (this.#isDeliveryDue || this.receiver.unreadBytes === 0) return
    this.#isDeliveryDue = true
    nextTick(() => {
      this.#isDeliveryDue = false
      this.receiver.deliver()
    })
  }

  #idleExpired(): void {
    const { idleTimeout } = this.#host.limits
    if (this.protocol.isPaused) this.active()
    else this.#host.fail(idleError(idleTimeout))
  }
}

function idleError(timeout: number): TokenError {
  return new TokenError(
    'ERR_IDLE_TIMEOUT',
    `Cannot keep the connection: no byte of a token passed for idleTimeout, ${timeout} ms`
  )
}
