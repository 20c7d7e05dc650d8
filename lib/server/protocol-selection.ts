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
import { limitError, type Reception, type Visitor } from './pending-clients'
import type { OtherProtocol, ServerSettings } from './server-options'

/**
 * What comes between TLS and a connection: which protocol a visitor speaks, and whether its certificate is good
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
export class Acceptance {
  readonly #settings: ServerSettings
  readonly #others: OtherProtocols
  readonly #reception: Reception
  readonly #trust: LiveTrust
  readonly #onTrusted: (visitor: Visitor, socket: TLSSocket, protocol: ProtocolName) => void

  /** @param onTrusted a visitor that may greet */
  constructor(
    settings: ServerSettings,
    others: OtherProtocols,
    reception: Reception,
    trust: LiveTrust,
    onTrusted: (visitor: Visitor, socket: TLSSocket, protocol: ProtocolName) => void
  ) {
    this.#settings = settings
    this.#others = others
    this.#reception = reception
    this.#trust = trust
    this.#onTrusted = onTrusted
  }

  /** The TLS handshake of a visitor is done. */
  secured(visitor: Visitor, socket: TLSSocket): void {
    const alpn = socket.alpnProtocol
    const other = alpn ? this.#others.get(alpn) : null
    if (other !== null) {
      this.#giveAway(visitor, socket, other)
    } else if (alpn) {
      this.#greet(visitor, socket, alpn as ProtocolName)
    } else if (!this.#others.needsFirstBytes) {
      this.#greet(visitor, socket, 'token/1')
    } else {
      this.#judgeByFirstBytes(visitor, socket)
    }
  }

  #judgeByFirstBytes(visitor: Visitor, socket: TLSSocket): void {
    const limit = new PatientDeadline(this.#reception.timeLeft(visitor), () => {
      this.#reception.refuse(
        visitor,
        new TokenError('ERR_HANDSHAKE_TIMEOUT', 'Cannot tell the protocol of a client: it sent nothing')
      )
      socket.destroy()
    })
    limit.arm()
    socket.once('close', () => limit.clear())
    const failed = (cause: Error) => {
      const message = `Cannot tell the protocol of a client: its connection failed with ${codeOf(cause)}`
      this.#reception.refuse(visitor, new TokenError('ERR_HANDSHAKE', message, { cause }))
      // After an error of TLS Node leaves the socket open.
      socket.destroy()
    }
    socket.on('error', failed)
    this.#others.sniff(socket, name => {
      limit.clear()
      socket.removeListener('error', failed)
      const other = name === null ? null : this.#others.get(name)
      if (other !== null) this.#giveAway(visitor, socket, other)
      else this.#greet(visitor, socket, 'token/1')
    })
  }

  #giveAway(visitor: Visitor, socket: TLSSocket, other: OtherProtocol): void {
    const failure = this.#trust.judge(visitor, socket)
    const refusal = this.#refusalOf(failure, other) ?? this.#reception.admit(visitor)
    if (refusal !== null) this.#reception.refuse(visitor, refusal)
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

  #greet(visitor: Visitor, socket: TLSSocket, protocol: ProtocolName): void {
    const failure = this.#trust.judge(visitor, socket)
    if (failure !== null && demandsTrust(this.#settings.tls)) {
      this.#reception.refuse(visitor, untrustedClient(failure.code, failure.reason))
      if (protocol === 'token/2') sayLastWord(socket, failure.code)
      else socket.destroy()
      return
    }
    if (this.#settings.policies.protocol === 'token/2' && protocol !== 'token/2') {
      const message = 'Cannot accept a connection: it did not agree on token/2 by ALPN'
      this.#reception.refuse(visitor, new TokenError('ERR_PROTOCOL_REQUIRED', message))
      socket.destroy()
      return
    }
    this.#onTrusted(visitor, socket, protocol)
  }
}
