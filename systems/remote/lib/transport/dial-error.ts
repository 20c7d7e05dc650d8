import { RemoteError } from '../errors/remote-error'

/** Why there is no connection: a word of docs/errors.md. */
export type DialReason =
  /** Nobody listens there, the name is unknown, or the network has no way. */
  | 'unreachable'
  /** It took longer than `connectTimeout`. */
  | 'connect-timeout'
  /** The certificate of the other side is not trusted, or TLS failed. */
  | 'not-trusted'
  /** The other side is there, and will not have this client. */
  | 'rejected'
  /** This side gave up. */
  | 'aborted'

const WORDS: Readonly<Record<DialReason, string>> = {
  unreachable: 'nobody answers there',
  'connect-timeout': 'it took too long',
  'not-trusted': 'its certificate is not trusted, or TLS failed',
  rejected: 'it will not have this client',
  aborted: 'this side gave up'
}

/** @param why a reason, a status of HTTP, or what a socket threw, which becomes the cause */
export function unreachable(why: DialReason | number | Error): RemoteError {
  const reason = typeof why === 'number' ? 'rejected' : why instanceof Error ? reasonOf(why) : why
  const status = typeof why === 'number' ? ` (status ${why})` : ''
  return new RemoteError('disconnected', `Cannot connect: because ${WORDS[reason]}${status}`, {
    reason,
    ...(why instanceof Error && { cause: why })
  })
}

const TLS_CODE =
  /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|EPROTO$|ERR_CERTIFICATE)/

function reasonOf(error: Error): DialReason {
  const { code = '', message } = error as NodeJS.ErrnoException
  if (code === 'ERR_REFUSED') return 'rejected'
  if (TLS_CODE.test(code)) return 'not-trusted'
  if (/TIMEOUT|TIMEDOUT/.test(code) || message.includes('timed out')) return 'connect-timeout'
  return 'unreachable'
}
