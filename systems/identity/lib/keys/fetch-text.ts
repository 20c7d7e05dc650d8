import http from 'node:http'
import https from 'node:https'

export interface FetchTextOptions {
  /** For all of it, milliseconds. */
  readonly timeout: number
  readonly maxBytes: number
  /** Authorities to trust in place of Node's own. */
  readonly ca?: string | Buffer | undefined
}

/**
 * Gets a document over HTTPS, or HTTP on this machine. It follows no redirect, for where keys come from is a matter of
 * configuration, and keeps no more than `maxBytes`.
 *
 * @throws Error that says in words what went wrong
 */
export function fetchText(url: URL, { timeout, maxBytes, ca }: FetchTextOptions): Promise<string> {
  const { get } = url.protocol === 'https:' ? https : http
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeout)
    // Of a connection that is used once in minutes nothing is kept.
    const request = get(url, { agent: false, signal, headers: { accept: 'application/json' }, ca })
    const fail = (why: string, cause?: Error): void => {
      request.destroy()
      reject(new Error(signal.aborted ? `there was no answer within ${timeout} ms` : why, { cause }))
    }
    request.on('error', error => fail(error.message, error))
    request.once('response', response => {
      if (response.statusCode !== 200) return fail(`the answer was status ${response.statusCode}`)
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > maxBytes) fail(`the answer was longer than ${maxBytes} bytes`)
        else chunks.push(chunk)
      })
      response.on('error', error => fail(error.message, error))
      response.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    })
  })
}
