import type { X509Certificate } from 'node:crypto'

/** The most certificates that are kept. */
const MAX_KNOWN = 1000

/**
 * One object for each certificate that peers show again and again. To parse one costs as much as the rest of a
 * resumed handshake, and Node's object reads each field only once.
 *
 * It says what stands in a certificate and nothing of whom to trust: that is asked on every connection.
 */
export class KnownCertificates {
  /** By SHA-256 of the DER; the one seen last stands last. */
  readonly #known = new Map<string, X509Certificate>()
  readonly #limit: number

  constructor(limit = MAX_KNOWN) {
    this.#limit = limit
  }

  get size(): number {
    return this.#known.size
  }

  /**
   * @param fingerprint SHA-256, which OpenSSL has made of the very bytes that the peer sent
   * @param parse makes the object when it is not known
   */
  get(fingerprint: string, parse: () => X509Certificate): X509Certificate {
    const certificate = this.#known.get(fingerprint) ?? parse()
    this.#known.delete(fingerprint)
    this.#known.set(fingerprint, certificate)
    if (this.#known.size > this.#limit) this.#forgetOldest()
    return certificate
  }

  #forgetOldest(): void {
    const [oldest] = this.#known.keys()
    this.#known.delete(oldest as string)
  }
}

/** Those of this process. */
export const knownCertificates = new KnownCertificates()
