import type { PeerName } from '../options'

/** How a program of `peers/` is started. */
export interface PeerSetup {
  readonly secret: string
  /** For files of its own. */
  readonly folder: string
  readonly connections: number
  /** The files of the certificates: TLS. */
  readonly tls: { readonly key: string; readonly cert: string; readonly ca: string } | undefined
}

/** What a program of `peers/` says when its broker listens. */
export interface PeerReady {
  readonly port: number
  /** Of the process that is the broker. */
  readonly pid: number
  readonly version: string
}

/** Runs a broker that the load finds by what it tells its parent, and that ends with the parent. */
export function servePeer(
  start: (setup: PeerSetup) => Promise<Omit<PeerReady, 'pid'> & { pid?: number }>
): void {
  process.on('disconnect', () => process.exit())
  start(JSON.parse(process.argv[2] as string) as PeerSetup).then(
    ready => void process.send?.({ pid: process.pid, ...ready }),
    (error: Error) => void process.send?.({ error: error.message })
  )
}

/** The certificate files that `openCertificates` makes in a folder. */
export function certificatesIn(folder: string): NonNullable<PeerSetup['tls']> {
  return {
    key: `${folder}/server/server.key`,
    cert: `${folder}/server/server.crt`,
    ca: `${folder}/ca/ca.crt`
  }
}

export const DESCRIPTIONS: Record<PeerName, string> = {
  ours: 'ours, with JWT',
  stock: 'aedes as it is, without JWT',
  mosquitto: 'mosquitto, without JWT'
}
