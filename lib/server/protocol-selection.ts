import type { TLSSocket } from 'node:tls'
import { codeOf } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import { callApplication } from '../runtime/application-call'
import type { TrustFailure } from '../tls/check-trust'
import type { ProtocolName } from '../wire/header'
import { type ConnectionHost, createConnection } from './create-connection'
import type { OtherProtocols } from './other-protocols'
import { limitError, type SecuredClient } from './pending-clients'
import type { OtherProtocol } from './server-options'

/**
 * Finds out after the TLS handshake which protocol a client speaks, and whether its certificate is good enough for it.
 *
 * ```
 *  secured ──▶ ALPN says another protocol ─────────────────────────────▶ its certificate demand ──▶ handed over
 *     │                                                                        ▲
 *     ├──────▶ no ALPN ──▶ first bytes, when another protocol is known by them ┘
 *     │                        │ none of them
 *     └──────▶ token/* ◀───────┘ ──▶ trusted now? ──▶ the protocol demanded? ──▶ a connection
 * ```
 */
export class ProtocolSelection {
  readonly #host: ConnectionHost
  readonly #others: OtherProtocols

  constructor(host: ConnectionHost, others: OtherProtocols) {
    this.#host = host
    this.#others = others
  }

  secured(client: SecuredClient): void {
    const alpn = client.socket.alpnProtocol
    const other = alpn ? this.#others.get(alpn) : null
    if (other !== null) this.#giveAway(client, other)
    else if (alpn) this.#accept(client, alpn as ProtocolName)
    else if (!this.#others.needsFirstBytes) this.#accept(client, 'token/1')
    else this.#judgeByFirstBytes(client)
  }

  #judgeByFirstBytes(client: SecuredClient): void {
    const { socket } = client
    const failed = (cause: Error) => {
      const message = `Cannot tell the protocol of a client: its connection failed with ${codeOf(cause)}`
      this.#reject(client, new TokenError('ERR_HANDSHAKE', message, { cause }))
    }
    socket.on('error', failed)
    this.#others.sniff(socket, other => {
      socket.removeListener('error', failed)
      if (other !== null) this.#giveAway(client, other)
      else this.#accept(client, 'token/1')
    })
  }

  #giveAway(client: SecuredClient, other: OtherProtocol): void {
    const { socket } = client
    const failure = this.#host.trust.judge(client)
    const refusal = this.#refusalOf(socket, failure, other) ?? this.#host.pendingClients.admit(client)
    if (refusal !== null) {
      this.#reject(client, refusal)
      return
    }
    const isGiven = callApplication(() => this.#others.handOver(socket, other, failure !== null))
    // A handler that has thrown will not end it.
    if (!isGiven) socket.destroy()
  }

  /** Clients that need no certificate must not take the places of those who have one. */
  #refusalOf(
    socket: TLSSocket,
    failure: TrustFailure | null,
    { clientCertificate }: OtherProtocol
  ): TokenError | null {
    if (failure === null) return null
    if (clientCertificate === 'required') return this.#host.trust.refusalFor(socket, failure)
    const { maxStrangers } = this.#host.settings
    if (this.#others.strangers < maxStrangers) return null
    return limitError('ERR_TOO_MANY_CONNECTIONS', 'maxStrangers', maxStrangers)
  }

  #accept(client: SecuredClient, protocol: ProtocolName): void {
    const refusal = this.#host.trust.refusalOf(client)
    if (refusal !== null) {
      this.#reject(client, refusal)
    } else if (this.#host.settings.policies.protocol === 'token/2' && protocol !== 'token/2') {
      const message = 'Cannot accept a connection: it did not agree on token/2 by ALPN'
      this.#reject(client, new TokenError('ERR_PROTOCOL_REQUIRED', message))
    } else {
      createConnection(this.#host, client, protocol)
    }
  }

  #reject(client: SecuredClient, error: TokenError): void {
    this.#host.pendingClients.reject(client, error)
  }
}
