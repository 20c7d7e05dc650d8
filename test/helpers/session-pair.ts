import type { Duplex } from 'node:stream'
import { Connection, type ConnectionContext, controlOf } from '../../lib/connection/connection'
import type { TransportFacts } from '../../lib/connection/transport-facts'
import type { ConnectionOptions, ProtocolOptions } from '../../lib/options/connection-options'
import { ServerSessions } from '../../lib/server/server-sessions'
import { type Link, type MemoryPairOptions, memoryPair } from '../../lib/testing'
import { decodeControl, encodeControl } from '../../lib/wire/control-frame'
import { Demultiplexer } from '../../lib/wire/demultiplexer'
import { FEATURE_ACK, FEATURE_END, FEATURE_PART, FEATURE_SESSION } from '../../lib/wire/hello'
import { settled } from './moments'
import { helloFrom } from './token-2'

type Options = ConnectionOptions & ProtocolOptions

const SESSION = { windowBytes: 10_000_000, resumeTimeout: 60_000 }

export interface SessionPairOptions {
  readonly client?: Options
  readonly server?: Options
  readonly authorize?: ConnectionContext['authorize']
  /** Default true; without one there is nothing to resume. */
  readonly hasSession?: boolean
  readonly transport?: MemoryPairOptions
}

/** A client and a server with one session, over transports in memory that follow each other. */
export class SessionPair {
  client!: Connection
  server!: Connection
  link!: Link
  /** Events of the server's connection that concern its session, in order. */
  readonly log: string[] = []
  readonly #options: SessionPairOptions
  readonly #sessions = new ServerSessions({ maxSessions: 10, maxSessionsPerIdentity: 10 })
  #ends: Duplex[] = []

  private constructor(options: SessionPairOptions) {
    this.#options = options
  }

  static async open(options: SessionPairOptions = {}): Promise<SessionPair> {
    const pair = new SessionPair(options)
    const socket = pair.#dial()
    pair.client = new Connection(
      socket,
      { protocol: 'token/2', role: 'client', heartbeat: 0, ...options.client },
      options.hasSession === false ? {} : { session: SESSION }
    )
    for (let turn = 0; turn < 20 && !pair.client.isOpen; turn++) await settled()
    if (!pair.client.isOpen || !pair.server.isOpen) throw new Error('the pair did not open')
    return pair
  }

  /** Cuts the transport: both ends learn it. */
  async cut(): Promise<void> {
    this.link.cut()
    await settled()
  }

  /** The client dials anew. */
  async resume(facts: TransportFacts = { peer: null }): Promise<void> {
    controlOf(this.client).attach(this.#dial(), facts)
    await settled()
  }

  /** A client that does not keep its word asks for the session. @returns what the server says of it */
  async dialByHand(): Promise<string | null> {
    const { link: kept } = this
    const socket = this.#dial()
    this.link = kept
    let answer: string | null = null
    const demultiplexer = new Demultiplexer({
      onFrame: () => null,
      onData: () => {},
      onControl: body => {
        const frame = decodeControl(body)
        if (frame?.type === 'hello') answer = frame.session?.lookup ?? null
      }
    })
    socket.on('data', (chunk: Buffer) => demultiplexer.push(chunk))
    const session = controlOf(this.client).session.request()
    const features = FEATURE_ACK | FEATURE_END | FEATURE_PART | FEATURE_SESSION
    socket.write(encodeControl(helloFrom('client', { features, session })))
    await settled()
    return answer
  }

  async destroy(): Promise<void> {
    for (const end of this.#ends) end.destroy()
    this.client.destroy()
    this.server.destroy()
    await settled()
  }

  /** @returns the client's end; the server accepts the other one */
  #dial(): Duplex {
    const { a, b, link } = memoryPair(this.#options.transport)
    this.link = link
    this.#ends.push(a, b)
    for (const end of [a, b]) end.on('error', () => {})
    const sessions = this.#sessions
    const { authorize } = this.#options
    const context: ConnectionContext = {
      session: SESSION,
      ...(authorize !== undefined && { authorize }),
      admit: (candidate, request) => {
        if (request === null) return null
        return sessions.admit(candidate, request, 'client', () => null)
      },
      onOpen: connection => {
        this.server = connection
      },
      onDetached: (error, connection) => {
        this.log.push(`detached ${error.code}`)
        sessions.detached(connection)
      },
      onResumed: () => void this.log.push('resumed'),
      onSessionLost: loss => void this.log.push(`lost ${loss.reason}`),
      onClose: (info, connection, successor) => {
        if (successor !== null) return
        this.log.push(`closed ${info.code}`)
        sessions.remove(connection, info.code === 'ERR_SESSION_LOST')
      }
    }
    new Connection(b, { protocol: 'token/2', role: 'server', heartbeat: 0, ...this.#options.server }, context)
    return a
  }
}
