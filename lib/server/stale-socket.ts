import { lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { codeOf } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import { setImmediate } from '../runtime/event-loop'
import type { ServerSettings } from './server-options'

/** What keeps a server from listening at a path, as its message says it; null for nothing any more. */
export type Obstacle = string | null

/** A path that is a file while somebody listens there, and after he was killed. */
export function isSocketFile(path: string | undefined): path is string {
  return path !== undefined && process.platform !== 'win32' && !path.startsWith('\0')
}

/**
 * Removes the socket file that a killed server has left behind: nobody answers there. What is no socket stays. A server
 * that is alive sees a client that comes and goes.
 *
 * @param done is told what is at the path now, in a later turn
 */
export function removeStaleSocket(path: string, done: (obstacle: Obstacle) => void): void {
  const inode = inodeOf(path)
  if (inode === undefined) {
    setImmediate(done, 'a file that is no socket is there; remove it, or take another path')
    return
  }
  const probe = connect(path)
  probe.once('connect', () => {
    probe.destroy()
    done('another server listens there')
  })
  probe.once('error', error => {
    const code = codeOf(error)
    if (code === 'ENOENT') done(null)
    // Another one that starts may have removed it, and listen there by now.
    else if (code !== 'ECONNREFUSED' || inodeOf(path) !== inode) done('another server listens there')
    else done(remove(path))
  })
}

/** Why a server can't listen. */
export function listenError(
  { host, port, path, fd }: ServerSettings['listen'],
  cause: Error,
  obstacle: Obstacle
): TokenError {
  const where = path ?? (fd === undefined ? `${host ?? '*'}:${port}` : `file descriptor ${fd}`)
  const why = obstacle === null ? '' : `, ${obstacle}`
  const message = `Cannot listen on ${where}: it failed with ${codeOf(cause)}${why}`
  return new TokenError('ERR_LISTEN', message, { cause })
}

function remove(path: string): Obstacle {
  try {
    unlinkSync(path)
    return null
  } catch (error) {
    return `a server that was killed has left it, and it can't be removed: ${codeOf(error)}`
  }
}

/** Undefined for what is no socket. */
function inodeOf(path: string): number | undefined {
  const file = lstatSync(path, { throwIfNoEntry: false })
  return file?.isSocket() ? file.ino : undefined
}
