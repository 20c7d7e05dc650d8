import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { ServiceError } from '../errors/service-error'

/** A process that starts at the same moment makes the same files: so long it may take, milliseconds. */
const OTHERS_TIME = 10_000

export interface CertificateOptions {
  /** Files (PEM): both, or neither. Without them the pair in `folder` is taken, which is made on the first run. */
  readonly key?: string | undefined
  readonly cert?: string | undefined
  /** The authorities that sign clients (PEM). Default: the authority in `folder`, which is made on the first run. */
  readonly ca?: string | undefined
  /** Default `certs`. */
  readonly folder?: string | undefined
  /** Names and addresses for a certificate that is made. Default: localhost, 127.0.0.1, ::1 and this machine's name. */
  readonly hosts?: readonly string[] | undefined
}

/** The functions read their file at each call, as `TokenServer` wants them. */
export interface OpenCertificates {
  readonly key: () => string
  readonly cert: () => string
  readonly ca: () => string
  /** Undefined as long as the folder of the authority has no list of revoked certificates: ask again when the files have changed. */
  readonly crl: (() => string) | undefined
  /** The files that are read, absolute; the list of revoked certificates also before it is there. */
  readonly files: readonly string[]
  /** The folder whose certificates were made now; null when they were there. */
  readonly madeIn: string | null
  /** Sentences for the log. */
  readonly notices: readonly string[]
}

/**
 * The certificates of a server, made when there are none. The key that is made has mode 0600.
 *
 * Without `ca` only the folder's own authority decides which clients are trusted, also when `cert` comes from a public one:
 * else everybody who can get a certificate there would be a trusted client.
 *
 * @throws (rejects) ServiceError `ERR_CERTIFICATES`
 */
export async function openCertificates(options: CertificateOptions = {}): Promise<OpenCertificates> {
  const { folder = 'certs' } = options
  if ((options.key === undefined) !== (options.cert === undefined))
    throw new ServiceError(
      'ERR_CERTIFICATES',
      'Cannot open the certificates: key and cert are needed, or neither'
    )
  const isFromFolder = options.key === undefined || options.ca === undefined
  const isMade = isFromFolder && (await make(folder, options.hosts))
  const ca = options.ca ?? join(folder, 'ca', 'ca.crt')
  const paths = {
    key: resolve(options.key ?? join(folder, 'server', 'server.key')),
    cert: resolve(options.cert ?? join(folder, 'server', 'server.crt')),
    ca: resolve(ca),
    ...(options.ca === undefined && { crl: resolve(join(folder, 'ca', 'ca.crl')) })
  }
  const opened: OpenCertificates = {
    key: reader(paths.key),
    cert: reader(paths.cert),
    ca: reader(paths.ca),
    get crl() {
      return paths.crl !== undefined && existsSync(paths.crl) ? reader(paths.crl) : undefined
    },
    files: Object.values(paths),
    madeIn: isMade ? resolve(folder) : null,
    notices: noticesOf(paths.key)
  }
  // What is missing is told now, and not at the first handshake.
  for (const read of [opened.key, opened.cert, opened.ca, opened.crl]) read?.()
  return opened
}

/** @returns true when this call made them */
async function make(folder: string, hosts: readonly string[] | undefined): Promise<boolean> {
  if (existsSync(join(folder, 'ca', 'ca.crt'))) return false
  // Loaded on the first run only: it makes keys, and takes its time to load.
  const { CertsError, makeCerts } = await import('@token-server/certs')
  try {
    await makeCerts({ out: folder, ...(hosts !== undefined && { hosts }) })
    return true
  } catch (cause) {
    if (!(cause instanceof CertsError)) throw cause
    if (cause.code === 'ERR_CERTS_EXISTS' && (await appears(join(folder, 'client', 'client.crt'))))
      return false
    const message = `Cannot make certificates in ${folder}: ${cause.message}`
    throw new ServiceError('ERR_CERTIFICATES', message, { cause })
  }
}

/** The last file that another process writes. */
async function appears(file: string): Promise<boolean> {
  for (const end = Date.now() + OTHERS_TIME; Date.now() < end; await wait(50))
    if (existsSync(file)) return true
  return false
}

function reader(file: string): () => string {
  return () => {
    try {
      return readFileSync(file, 'utf8')
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      throw new ServiceError('ERR_CERTIFICATES', `Cannot read the certificate file ${file}: ${code}`, {
        cause
      })
    }
  }
}

/** It is no error: Kubernetes and the like hand out secrets with a mode of their own. */
function noticesOf(key: string): string[] {
  if (process.platform === 'win32' || !existsSync(key)) return []
  const mode = statSync(key).mode & 0o777
  if ((mode & 0o077) === 0) return []
  return [`Others on this machine may read the key ${key}: its mode is ${mode.toString(8)}, it should be 600`]
}
