import type { X509Certificate } from 'node:crypto'

/** How many certificates are kept, and how many bytes of DER; parsed, a certificate takes twice as much. */
const MAX_KNOWN = 1000
const MAX_KNOWN_BYTES = 4 * 1024 * 1024

/**
 * Keeps one object for each certificate that trusted peers show again and again. To parse one costs as much as the rest of a
 * resumed handshake, and Node's object reads each field only once.
 *
 * It says nothing of whom to trust: that is asked on every connection. The certificates of strangers are looked up and never
 * kept, or they could fill it.
 */
export class KnownCertificates {
  /** By SHA-256 of the DER; the one seen last stands last. */
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

  /** @param fingerprint SHA-256 that OpenSSL has made of the very bytes that the peer sent */
  find(fingerprint: string): X509Certificate | undefined {
    return this.#known.get(fingerprint)?.certificate
  }

  /** @returns the object that stands for the certificate of this trusted peer from now on */
  keep(shown: X509Certificate): X509Certificate {
    const fingerprint = shown.fingerprint256
    const known = this.#known.get(fingerprint)
    if (known !== undefined) {
      this.#known.delete(fingerprint)
      this.#known.set(fingerprint, known)
      return known.certificate
    }
    // The object keeps every field that it was asked for, so a copy is asked.
    const bytes = structuredClone(shown).raw.length
    this.#known.set(fingerprint, { certificate: shown, bytes })
    this.#bytes += bytes
    for (const [oldest, { bytes }] of this.#known) {
      if (this.#known.size <= this.#limit && this.#bytes <= this.#maxBytes) break
      this.#known.delete(oldest)
      this.#bytes -= bytes
    }
    return shown
  }
}

export const knownCertificates = new KnownCertificates()
