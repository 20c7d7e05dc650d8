import type { TLSSocket } from 'node:tls'
import { codeOf } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import { untrustedClient } from '../errors/trust-errors'
import { sayLastWord } from '../protocol/say-close'
import { callApplication } from '../runtime/application-call'
import { PatientDeadline } from '../runtime/patient-deadline'
import type { TrustFailure } from '../tls/check-trust'
import type { ProtocolName } from '../wire/header'
import { demandsTrust, type LiveTrust } from './live-trust'
import type { OtherProtocols } from './other-protocols'
import { limitError, type PendingClient, type PendingClients } from './pending-clients'
import type { OtherProtocol, ServerSettings } from './server-options'

/**
 * What comes between TLS and a connection: which protocol a client speaks, and whether its certificate is good
 * enough for that.
 *
 * ```
 *  secured ──▶ ALPN says another protocol ─────────────────────────────▶ its certificate demand ──▶ handed over
 *     │                                                                        ▲
 *     ├──────▶ no ALPN ──▶ first bytes, when another protocol is known by them ┘
 *     │                        │ none of them
 *     └──────▶ token/* ◀───────┘ ──▶ trusted now? ──▶ the protocol demanded? ──▶ onTrusted
 * ```
 */
export class ProtocolSelection {
  readonly #settings: ServerSettings
  readonly #others: OtherProtocols
  readonly #pendingClients: PendingClients
  readonly #trust: LiveTrust
  readonly #onTrusted: (client: PendingClient, socket: TLSSocket, protocol: ProtocolName) => void

  /** @param onTrusted a client that may greet */
  constructor(
    settings: ServerSettings,
    others: OtherProtocols,
    pendingClients: PendingClients,
    trust: LiveTrust,
    onTrusted: (client: PendingClient, socket: TLSSocket, protocol: ProtocolName) => void
  ) {
    this.#settings = settings
    this.#others = others
    this.#pendingClients = pendingClients
    this.#trust = trust
    this.#onTrusted = onTrusted
  }

  /** The TLS handshake of a client is done. */
  secured(client: PendingClient, socket: TLSSocket): void {
    const alpn = socket.alpnProtocol
    const other = alpn ? this.#others.get(alpn) : null
    if (other !== null) {
      this.#giveAway(client, socket, other)
    } else if (alpn) {
      this.#greet(client, socket, alpn as ProtocolName)
    } else if (!this.#others.needsFirstBytes) {
      this.#greet(client, socket, 'token/1')
    } else {
      this.#judgeByFirstBytes(client, socket)
    }
  }

  #judgeByFirstBytes(client: PendingClient, socket: TLSSocket): void {
    const limit = new PatientDeadline(this.#pendingClients.timeLeft(client), () => {
      this.#pendingClients.refuse(
        client,
        new TokenError('ERR_HANDSHAKE_TIMEOUT', 'Cannot tell the protocol of a client: it sent nothing')
      )
      socket.destroy()
    })
    limit.arm()
    socket.once('close', () => limit.clear())
    const failed = (cause: Error) => {
      const message = `Cannot tell the protocol of a client: its connection failed with ${codeOf(cause)}`
      this.#pendingClients.refuse(client, new TokenError('ERR_HANDSHAKE', message, { cause }))
      // After an error of TLS Node leaves the socket open.
      socket.destroy()
    }
    socket.on('error', failed)
    this.#others.sniff(socket, name => {
      limit.clear()
      socket.removeListener('error', failed)
      const other = name === null ? null : this.#others.get(name)
      if (other !== null) this.#giveAway(client, socket, other)
      else this.#greet(client, socket, 'token/1')
    })
  }

  #giveAway(client: PendingClient, socket: TLSSocket, other: OtherProtocol): void {
    const failure = this.#trust.judge(client, socket)
    const refusal = this.#refusalOf(failure, other) ?? this.#pendingClients.admit(client)
    if (refusal !== null) this.#pendingClients.refuse(client, refusal)
    // Nobody else would end it.
    const isGiven =
      refusal === null && callApplication(() => this.#others.handOver(socket, other, failure !== null))
    if (!isGiven) socket.destroy()
  }

  /** Whoever needs no certificate must not be able to take the places of those who have one. */
  #refusalOf(failure: TrustFailure | null, { clientCertificate }: OtherProtocol): TokenError | null {
    if (failure === null) return null
    if (clientCertificate === 'required') return untrustedClient(failure.code, failure.reason)
    const { maxStrangers } = this.#settings
    if (this.#others.strangers < maxStrangers) return null
    return limitError('ERR_TOO_MANY_CONNECTIONS', 'maxStrangers', maxStrangers)
  }

  #greet(client: PendingClient, socket: TLSSocket, protocol: ProtocolName): void {
    const failure = this.#trust.judge(client, socket)
    if (failure !== null && demandsTrust(this.#settings.tls)) {
      this.#pendingClients.refuse(client, untrustedClient(failure.code, failure.reason))
      if (protocol === 'token/2') sayLastWord(socket, failure.code)
      else socket.destroy()
      return
    }
    if (this.#settings.policies.protocol === 'token/2' && protocol !== 'token/2') {
      const message = 'Cannot accept a connection: it did not agree on token/2 by ALPN'
      this.#pendingClients.refuse(client, new TokenError('ERR_PROTOCOL_REQUIRED', message))
      socket.destroy()
      return
    }
    this.#onTrusted(client, socket, protocol)
  }
}
