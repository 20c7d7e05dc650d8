import type { Duplex } from 'node:stream'
import type { WireCloseCode } from '../errors/close-codes'
import { TokenError } from '../errors/token-error'
import type { ConnectionLimits } from '../options/connection-options'
import { PatientDeadline } from '../runtime/patient-deadline'
import { decodeControl, encodeControl } from '../wire/control-frame'
import { Demultiplexer, type DemultiplexerEvents } from '../wire/demultiplexer'
import type { Hello, Role, SessionPart } from '../wire/hello'
import { type Fingerprints, helloFault, helloOf } from './hello-rules'
import { ReceiveCredit } from './receive-credit'
import { LINGER_TIMEOUT, sayClose } from './say-close'
import { MAX_HELD_BYTES, refused, tooMuchBeforeAcceptance, unexpected } from './token-2-errors'

/** Who has the transport while the two sides greet each other. */
export interface HandshakeHost {
  /** The peer's HELLO has come and fits: a client is accepted by it, a server decides. Told once. */
  greeted(): void
  fail(error: TokenError): void
}

/** What a handshake has to know beside the limits. */
export interface HandshakeOptions {
  readonly role: Role
  readonly fingerprints: Fingerprints
  /** Milliseconds until the peer is greeted, `authorize` included. */
  readonly timeout: number
  /** A client asks for a session, and does not go on without one. */
  readonly wantsSession: boolean
}

/**
 * The first frames on a transport of token/2, `docs/wire-format.md` section 7: a HELLO each way, or CLOSE.
 *
 * ```
 *  client   start(): HELLO ──▶ … HELLO read: greeted()                        … CLOSE read: fail()
 *  server   … HELLO read: greeted() … answer(): HELLO ──▶  or  refuse(): CLOSE ──▶
 * ```
 *
 * What it has learned is a value: the connection that has the transport in the end, which on a resumed session is not
 * the one that began the handshake, binds it to a protocol. What the peer has sent behind its HELLO waits until then.
 */
export class Handshake implements DemultiplexerEvents {
  readonly socket: Duplex
  readonly role: Role
  /** What comes behind HELLO is held in it. */
  readonly demultiplexer: Demultiplexer
  readonly #host: HandshakeHost
  readonly #limits: ConnectionLimits
  readonly #options: HandshakeOptions
  readonly #deadline: PatientDeadline
  #hello: Hello | null = null
  #credit: ReceiveCredit | null = null
  #handedSaid = 0
  #ownHello: Uint8Array | null = null
  #hasEarlyBytes = false
  #isOver = false

  constructor(socket: Duplex, limits: ConnectionLimits, options: HandshakeOptions, host: HandshakeHost) {
    this.socket = socket
    this.role = options.role
    this.#limits = limits
    this.#options = options
    this.#host = host
    this.demultiplexer = new Demultiplexer(this)
    this.#deadline = new PatientDeadline(options.timeout, () => host.fail(tooLate(options.timeout)))
    this.#deadline.arm()
  }

  /** The peer's HELLO; known from `greeted()` on. */
  get hello(): Hello {
    return this.#hello as Hello
  }

  /** The credit that this side's HELLO gave the peer; known once it is said. */
  get credit(): ReceiveCredit {
    return this.#credit as ReceiveCredit
  }

  /** What was held from an older transport was taken: that gives credit, where HELLO has said some. */
  freed(cost: number): void {
    this.#credit?.free(cost)
  }

  /** The count of tokens handed to the application, as this side's HELLO said it. */
  get handedSaid(): number {
    return this.#handedSaid
  }

  /** True when this side has said CLOSE: what the socket does then is no error. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** A server's handshake has bytes that the client sent before it could know of its acceptance. */
  get hasEarlyBytes(): boolean {
    return this.#hasEarlyBytes
  }

  /**
   * Settles what this side's HELLO says. A server's client is accepted by that: what has come until now was too early.
   *
   * @param heldBytes received before, on another transport, and not taken by the application
   * @param answered answers of the peer that came in this session
   */
  makeHello(session: SessionPart | null, heldBytes: number, answered: number): void {
    const { role, fingerprints } = this.#options
    const credit = new ReceiveCredit(this.#limits.receiveWindow, heldBytes)
    const hello = helloOf(role, this.#limits, fingerprints, session, answered)
    this.#hasEarlyBytes = role === 'server' && this.demultiplexer.heldBytes > 0
    this.#credit = credit
    this.#handedSaid = session?.handed ?? 0
    this.#ownHello = encodeControl({ type: 'hello', ...hello, receiveWindow: credit.helloWindow })
  }

  /** Over a Duplex in memory the peer's answer can come while this writes. */
  sayHello(): void {
    const frame = this.#ownHello
    this.#ownHello = null
    if (frame === null) return
    try {
      this.socket.write(frame)
    } catch (error) {
      // A Duplex that throws is as broken as one that fails.
      this.socket.destroy(error as Error)
    }
  }

  read(chunk: Buffer): void {
    if (this.#isOver) return
    const wasGreeted = this.#hello !== null
    try {
      this.demultiplexer.push(chunk)
    } catch (error) {
      this.#host.fail(error as TokenError)
      return
    }
    if (this.demultiplexer.heldBytes > MAX_HELD_BYTES) this.#host.fail(tooMuchBeforeAcceptance())
    else if (this.#hello !== null && !wasGreeted) this.#host.greeted()
  }

  /**
   * Ends the transport with CLOSE.
   *
   * @returns false when it can't be said: the socket is then to be destroyed
   */
  refuse(code: WireCloseCode, reason = '', linger = LINGER_TIMEOUT): boolean {
    if (this.#isOver || !this.socket.writable) return false
    this.stop()
    this.demultiplexer.stop()
    this.#isOver = true
    sayClose(this.socket, code, { reason, linger })
    return true
  }

  /** Waits no longer: the transport is bound, gone, or refused. */
  stop(): void {
    this.#deadline.clear()
  }

  onFrame(): TokenError {
    return unexpected('a token', 'HELLO')
  }

  onData(): void {}

  onControl(body: Buffer): void {
    const { role, fingerprints, wantsSession } = this.#options
    const frame = decodeControl(body)
    if (frame?.type === 'close' && role === 'client') {
      // It hears nothing any more.
      this.#isOver = true
      throw refused(frame)
    }
    if (frame?.type !== 'hello') throw unexpected('a frame', 'HELLO')
    const fault = helloFault(frame, role, fingerprints, wantsSession)
    if (fault !== null) throw fault
    this.#hello = frame
    this.demultiplexer.hold()
  }
}

function tooLate(timeout: number): TokenError {
  const message = `Cannot greet the peer: HELLO and authorize took longer than ${Math.round(timeout)} ms`
  return new TokenError('ERR_HANDSHAKE_TIMEOUT', message)
}
