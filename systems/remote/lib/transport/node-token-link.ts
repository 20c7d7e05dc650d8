import { type Connection, TokenClient, TokenError } from 'token-server'
import { BaseLink } from './base-link'
import { unreachable } from './dial-error'
import { FrameNumbers, FrameOrder, NUMBER_LENGTH } from './frame-order'
import { CLOSE_TIMEOUT, CONNECT_TIMEOUT, LINK_LIMITS, type LinkLimits } from './link-limits'
import type { NodeDialOptions } from './node-web-socket'
import { UnfinishedBytes } from './unfinished-bytes'

/** Requests of a client that wait for a frame to answer them; then the oldest is answered with nothing. */
const MAX_TURNS = 32

/** Milliseconds after which they are, too: an answer gives the memory of the request back to the client. */
const TURN_TIMEOUT = 100

/** Bytes of a frame that is answered at once, for the same reason. */
const LONG_FRAME = 65_536

/**
 * The side that dialled. A frame is a request of tokens; its answer is the next frame of the other side, if that comes soon.
 * So it is proven of a frame that the other side has had it, or that it never will.
 */
export class TokenClientLink extends BaseLink {
  readonly #client: TokenClient
  readonly #connection: Connection
  readonly #order = new FrameOrder(frame => this.received(frame))
  /** Frames of which nothing is known. */
  #underWay = 0
  /** Of the last of them it is known that they were not sent. */
  #unsent = 0
  #ended: string | null = null

  /** @param client that has a connection */
  constructor(client: TokenClient, limits: Partial<LinkLimits> = {}) {
    super({ ...LINK_LIMITS, ...limits })
    this.#client = client
    this.#connection = client.connection as Connection
    this.#connection.on('token', token => this.#arrived(token))
    this.#connection.on('drain', () => this.drained())
    this.#connection.on('close', (_, { error }) => {
      this.#ended = error === null ? 'the connection was closed' : `the connection broke: ${error.code}`
      this.#settled()
    })
  }

  override get bufferedBytes(): number {
    return this.#connection.bufferedAmount
  }

  protected override write(frame: Uint8Array): void {
    this.#underWay++
    this.#connection.request(frame).then(this.#answered, this.#failed)
  }

  protected override shut(): void {
    this.#client.close({ timeout: CLOSE_TIMEOUT })
  }

  protected override breakOff(): void {
    this.#connection.destroy()
  }

  readonly #answered = (answer: Uint8Array): void => {
    this.#underWay--
    if (answer.length > 0) this.#arrived(answer)
    this.#settled()
  }

  readonly #failed = (error: unknown): void => {
    this.#underWay--
    const code = error instanceof TokenError ? error.code : undefined
    this.#unsent = code === 'ERR_NOT_SENT' ? this.#unsent + 1 : 0
    // The connection goes on after these two, and frames after one that is missing are worth nothing.
    if (this.#ended === null && !this.#connection.isDead) {
      this.#ended = `a frame was not taken: ${code ?? 'for an unknown reason'}`
      this.breakOff()
    }
    this.#settled()
  }

  #arrived(numbered: Uint8Array): void {
    if (!this.#order.take(numbered)) this.fail('frames came that are out of order')
  }

  /** The end is told when all is known of what was under way. */
  #settled(): void {
    if (this.#ended === null || this.#underWay > 0) return
    this.closed({ reason: this.#ended, unsent: this.#unsent })
  }
}

/** The side that was dialled: a connection that a `TokenServer` accepted. */
export class TokenServerLink extends BaseLink {
  readonly #connection: Connection
  readonly #numbers = new FrameNumbers()
  /** Answers that are owed, the oldest first. */
  readonly #turns: ((answer?: Uint8Array) => void)[] = []
  #timer: NodeJS.Timeout | undefined
  /** Frames that came since `pause`: as many as may be handled at once, and the client can't send more. */
  #held: (() => void)[] | undefined
  readonly #unfinished: UnfinishedBytes

  /** @param connection of which nobody else takes the tokens */
  constructor(connection: Connection, limits: Partial<LinkLimits> = {}) {
    super({ ...LINK_LIMITS, ...limits })
    this.#connection = connection
    this.#unfinished = new UnfinishedBytes(connection.socket, () => {
      connection.destroy()
      this.closed({ reason: 'too much came of what is no whole frame' })
    })
    connection.handle(token => this.#arrived(token), { concurrency: MAX_TURNS + 1 })
    connection.on('drain', () => this.drained())
    connection.on('close', (_, { error }) => {
      clearTimeout(this.#timer)
      this.#endTurns()
      this.resume()
      this.closed({
        reason: error === null ? 'the connection was closed' : `the connection broke: ${error.code}`
      })
    })
  }

  override get bufferedBytes(): number {
    return this.#connection.bufferedAmount
  }

  protected override write(frame: Uint8Array): void {
    const numbered = this.#numbers.number(frame)
    const answer = this.#turns.shift()
    if (answer !== undefined) answer(numbered)
    else if (!this.#connection.send(numbered)) this.fail('the other side does not read')
  }

  protected override shut(): void {
    this.#endTurns()
    this.#connection.close({ timeout: CLOSE_TIMEOUT })
    this.resume()
  }

  protected override breakOff(): void {
    this.#connection.destroy()
  }

  pause(): void {
    this.#held ??= []
  }

  resume(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const go of held) go()
  }

  trust(): void {
    this.#unfinished.stop()
  }

  #arrived(frame: Uint8Array): Promise<Uint8Array | undefined> | undefined {
    // What comes behind a close is read until that is answered: there is no end to it.
    if (!this.isClosed) this.#unfinished.finished()
    return this.#turn(frame)
  }

  #turn(frame: Uint8Array): Promise<Uint8Array | undefined> | undefined {
    const held = this.#held
    if (held !== undefined && !this.isClosed)
      return new Promise(resolve => held.push(() => resolve(this.#turn(frame))))
    if (frame.length > LONG_FRAME || this.isClosed) {
      this.received(frame)
      return undefined
    }
    return new Promise(resolve => {
      this.#turns.push(resolve)
      if (this.#turns.length > MAX_TURNS) this.#turns.shift()?.()
      this.#timer ??= setTimeout(this.#endOldTurns, TURN_TIMEOUT).unref()
      this.received(frame)
    })
  }

  readonly #endOldTurns = (): void => {
    this.#timer = undefined
    this.#endTurns()
  }

  #endTurns(): void {
    for (const answer of this.#turns.splice(0)) answer()
  }
}

/** @throws (rejects) RemoteError `disconnected` */
export async function dialTokens(
  { host, port }: { readonly host: string; readonly port: number },
  { tls, limits, connectTimeout = CONNECT_TIMEOUT }: NodeDialOptions,
  signal?: AbortSignal
): Promise<TokenClientLink> {
  if (signal?.aborted) throw unreachable('aborted')
  const { maxFrameBytes, maxBufferedBytes, highWaterBytes, heartbeat } = { ...LINK_LIMITS, ...limits }
  const client = new TokenClient({
    ...tls,
    host,
    port,
    protocol: 'token/2',
    reconnect: false,
    connectTimeout,
    refusedRetryTimeout: 0,
    maxTokenLength: maxFrameBytes + NUMBER_LENGTH,
    outboxBytes: maxBufferedBytes + maxFrameBytes,
    highWaterMark: highWaterBytes,
    heartbeat
  })
  // It is told by `ready`, and later by the end of the connection.
  client.on('error', () => {})
  const abort = () => client.close({ timeout: 0 })
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await client.ready
    return new TokenClientLink(client, limits)
  } catch (error) {
    throw unreachable(signal?.aborted ? 'aborted' : (error as Error))
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
