import { TLSSocket } from 'node:tls'
import type { Connection } from 'token-server'
import type { ConnectionSeen } from './messages'

/** What this end of a connection knows about it and about the other side. */
export function connectionSeen(connection: Connection): ConnectionSeen {
  const { peer, protocol, socket } = connection
  if (peer === null || !(socket instanceof TLSSocket)) throw new Error('The other side is not verified')
  return {
    protocol,
    tls: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().standardName,
    peer: {
      subject: peer.subject,
      sans: peer.sans,
      fingerprint: peer.fingerprint,
      validTo: peer.validTo.toISOString()
    }
  }
}
