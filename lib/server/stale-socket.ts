import { lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { codeOf } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import { setImmediate } from '../runtime/event-loop'
import type { ServerSettings } from './server-options'

/** What keeps a server from listening at a path, as the message of the error says it; null when nothing does. */
export type Obstacle = string | null

/** True for a path at which a listening server has a file, which stays when the server is killed. */
export function isSocketFile(path: string | undefined): path is string {
  return path !== undefined && process.platform !== 'win32' && !path.startsWith('\0')
}

/**
 * Removes the socket file of a killed server, at which nobody answers. A file that is no socket stays. A server that is
 * alive sees a client come and go.
 *
 * @param done is told in a later turn what is at the path then
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
    // Another server that starts may have removed the file, and listen there by now.
    else if (code !== 'ECONNREFUSED' || inodeOf(path) !== inode) done('another server listens there')
    else done(remove(path))
  })
}

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

/** @returns undefined for what is no socket */
function inodeOf(path: string): number | undefined {
  const file = lstatSync(path, { throwIfNoEntry: false })
  return file?.isSocket() ? file.ino : undefined
}
