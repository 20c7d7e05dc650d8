import type { EventEmitter } from 'node:events'
import type { Connection } from '../connection/connection'
import * as lives from '../connection/lives'
import { CountsByCode, type Traffic, TrafficTotals } from '../connection/traffic-totals'
import type { CloseInfo } from '../errors/close-info'
import { codeOf } from '../errors/socket-error'
import type { TokenError } from '../errors/token-error'
import { tell } from '../runtime/application-call'
import { Lifetime } from '../runtime/lifetime'
import type { SessionLoss } from '../session/session'
import type { ExpiringCertificate } from '../tls/expiry-notices'
import type { Reconnecting, TokenClientEvents } from './client-events'

const NO_ALPN = 'TOKEN_CLIENT_NO_ALPN'

/** What a client has counted since its construction. */
export interface ClientStats extends Traffic {
  /** Dials that were begun. */
  readonly dials: number
  /** Connections that the server has accepted. */
  readonly connected: number
  /** Times that a session went on. */
  readonly resumed: number
  readonly sessionsLost: number
  /** Connections and dials that were lost, and after which the client went on, by the code of their end. */
  readonly lost: Readonly<Record<string, number>>
  /** Bytes that wait to be sent. */
  readonly bufferedAmount: number
}

/** Tells what becomes of a client: its listeners, who waits for `ready`, and who watches the process; and counts it. */
export class ClientReport {
  readonly life: Lifetime
  readonly #client: EventEmitter<TokenClientEvents>
  /** Causes that a warning was given of. */
  readonly #warned = new Set<string>()
  readonly #connections = new Set<Connection>()
  readonly #traffic = new TrafficTotals()
  readonly #lostByCode = new CountsByCode()
  #dials = 0
  #connected = 0
  #resumed = 0
  #sessionsLost = 0

  constructor(client: EventEmitter<TokenClientEvents>) {
    this.#client = client
    this.life = new Lifetime(
      client,
      'Cannot connect: the client was closed before the server had accepted it'
    )
  }

  stats(bufferedAmount: number): ClientStats {
    return Object.freeze({
      dials: this.#dials,
      connected: this.#connected,
      resumed: this.#resumed,
      sessionsLost: this.#sessionsLost,
      lost: this.#lostByCode.counts,
      bufferedAmount,
      ...this.#traffic.with(this.#connections)
    })
  }

  /** A connection was made, and is not accepted yet. */
  made(connection: Connection): void {
    this.#connections.add(connection)
  }

  /** A connection has closed. */
  left(connection: Connection): void {
    if (this.#connections.delete(connection)) this.#traffic.add(connection.stats)
  }

  expiring(certificate: ExpiringCertificate): void {
    lives.clientCertificateExpiring.tell(this.#client, certificate)
    tell(this.#client, 'certificate-expiring', certificate)
  }

  sessionLost(loss: SessionLoss): void {
    this.#sessionsLost++
    tell(this.#client, 'session-lost', loss)
  }

  /** @param target where: `host:port` or a path */
  dials(target: string): void {
    this.#dials++
    lives.clientDials.tell(this.#client, target)
  }

  /** The server named no protocol, and is taken for one of token/1: one of version 1.x would only never answer. */
  guesses(target: string): void {
    if (this.#warned.has(NO_ALPN)) return
    this.#warned.add(NO_ALPN)
    process.emitWarning(
      `The server at ${target} names no protocol by ALPN, and is taken for one of token/1.`,
      {
        type: 'TokenClientWarning',
        code: NO_ALPN,
        detail:
          "Option protocol: 'token/1' says that this is meant, and turns this warning off. " +
          'A server of token-server 1.x has another wire, and never answers.'
      }
    )
  }

  /** The server has accepted the client. */
  opened(event: 'connect' | 'resumed'): void {
    this.life.succeed()
    if (event === 'resumed') {
      this.#resumed++
    } else {
      this.#connected++
      lives.clientConnected.tell(this.#client)
    }
    tell(this.#client, event)
  }

  /** The connection, or a dial, is lost, and the client goes on. */
  lost(info: CloseInfo): void {
    const frozen = Object.freeze(info)
    this.#lostByCode.add(info.code)
    lives.clientDisconnected.tell(this.#client, frozen)
    tell(this.#client, 'disconnect', frozen)
  }

  /** @param isHopeless the next dial will fail as the last one did, until somebody changes something */
  waits(next: Reconnecting, isHopeless: boolean): void {
    const frozen = Object.freeze(next)
    lives.clientReconnecting.tell(this.#client, frozen)
    if (isHopeless && next.error !== null) this.#warn(next.error)
    tell(this.#client, 'reconnecting', frozen)
  }

  /** The client has closed. */
  ended(info: CloseInfo): void {
    lives.clientClosed.tell(this.#client, info)
    this.life.end(info)
  }

  /** Says it once for each cause, where no listener gets it: such a client would be silent for ever. */
  #warn(error: TokenError): void {
    const client = this.#client
    if (client.listenerCount('disconnect') > 0 || client.listenerCount('reconnecting') > 0) return
    const cause = [error.code, error.closeCode, error.cause === undefined ? '' : codeOf(error.cause)].join()
    if (this.#warned.has(cause)) return
    this.#warned.add(cause)
    process.emitWarning(`A TokenClient dials in vain until something is changed. ${error.message}`, {
      type: 'TokenClientWarning',
      code: 'TOKEN_CLIENT_HOPELESS',
      detail: "A listener of 'disconnect' gets every cause, and turns this warning off."
    })
  }
}
