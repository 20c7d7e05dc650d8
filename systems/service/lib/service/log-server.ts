import type { Logger } from 'pino'
import type { Peer, TokenServer } from 'token-server'
import { LimitedLog } from '../logging/limited-log'

/** Writes what happens to a server into a log; no token, and no more lines than a few for what strangers do. */
export function logServer(server: TokenServer, log: Logger): void {
  const refusals = new LimitedLog((code, more) =>
    log.warn({ code, more }, `${more} more clients were refused`)
  )
  const breaks = new LimitedLog((code, more) => log.warn({ code, more }, `${more} more connections broke`))
  server.on('refused', ({ address, code, error, peer }) => {
    if (refusals.may(code)) log.warn({ code, address, peer: nameOf(peer) }, error.message)
  })
  server.on('connectionError', (error, connection) => {
    const { id, remoteAddress: address, peer } = connection
    if (breaks.may(error.code))
      log.warn({ code: error.code, connection: id, address, peer: nameOf(peer) }, error.message)
  })
  server.on('handlerError', (error, connection) => {
    log.error({ err: error, connection: connection.id }, 'A handler of tokens failed')
  })
  server.on('certificate-expiring', certificate =>
    log.warn({ certificate }, 'A certificate of this server ends soon')
  )
  server.on('crl-expiring', list => log.warn({ list }, 'A list of revoked certificates ends soon'))
  server.on('error', error => log.fatal({ err: error }, error.message))
  server.on('close', () => {
    refusals.flush()
    breaks.flush()
  })
}

function nameOf(peer: Peer | null): string | undefined {
  return peer?.commonName ?? peer?.fingerprint
}
