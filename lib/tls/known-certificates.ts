import type { X509Certificate } from 'node:crypto'

/** The most certificates that are kept, and their bytes in DER; parsed, a certificate takes twice as much. */
const MAX_KNOWN = 1000
const MAX_KNOWN_BYTES = 4 * 1024 * 1024

/**
 * One object for each certificate that trusted peers show again and again. To parse one costs as much as the rest of
 * a resumed handshake, and Node's object reads each field only once.
 *
 * It says what stands in a certificate and nothing of whom to trust: that is asked on every connection. Strangers
 * are looked up in it and never kept, or they could fill it.
 */
export class KnownCertificates {
  /** By SHA-256 of the DER, with its length; the one seen last stands last. */
  readonly #known = new Map<string, { readonly certificate: X509Certificate; readonly bytes: number }>()
  readonly #limit: number
  readonly #maxBytes: number
  #bytes = 0

  constructor(limit = MAX_KNOWN, maxBytes = MAX_KNOWN_BYTES) {
    this.#limit = limit
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#known.size
  }

  /** @param fingerprint SHA-256, which OpenSSL has made of the very bytes that the peer sent */
  find(fingerprint: string): X509Certificate | undefined {
    return this.#known.get(fingerprint)?.certificate
  }

  /** Keeps the certificate of a peer that is trusted. @returns the object that is known for it from now on */
  keep(shown: X509Certificate): X509Certificate {
    const fingerprint = shown.fingerprint256
    const known = this.#known.get(fingerprint)
    if (known !== undefined) {
      this.#known.delete(fingerprint)
      this.#known.set(fingerprint, known)
      return known.certificate
    }
    // Of a copy, for the object keeps what it was asked for as long as it lives.
    const bytes = structuredClone(shown).raw.length
    this.#known.set(fingerprint, { certificate: shown, bytes })
    this.#bytes += bytes
    while (this.#known.size > this.#limit || this.#bytes > this.#maxBytes) this.#forgetOldest()
    return shown
  }

  #forgetOldest(): void {
    for (const [fingerprint, { bytes }] of this.#known) {
      this.#known.delete(fingerprint)
      this.#bytes -= bytes
      return
    }
  }
}

/** Those of this process. */
export const knownCertificates = new KnownCertificates()
