import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { TrustFailure } from './trust'
export function peerChain(_socket: TLSSocket): X509Certificate[] {
  return []
}
export class TrustAnchors {
  constructor(_o: unknown) {}
  check(_c: readonly X509Certificate[], _n: Date): TrustFailure | null {
    return null
  }
}
