import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readiness } from './readiness'

/** Answers a request itself. */
export type Route = (request: IncomingMessage, response: ServerResponse) => void

/**
 * `/health`: the process runs, 200. `/ready`: it can do its work, 200 or 503.
 *
 * @param hasDetails says what is in the way, which is nothing for strangers
 */
export function healthRoutes(readiness: Readiness, hasDetails: boolean): ReadonlyMap<string, Route> {
  return new Map<string, Route>([
    ['/health', (request, response) => answer(request, response, 200, { status: 'running' })],
    [
      '/ready',
      (request, response) => {
        const because = readiness.because()
        const isReady = because.length === 0
        const details = hasDetails && !isReady && { because: Object.fromEntries(because) }
        answer(request, response, isReady ? 200 : 503, { ready: isReady, ...details })
      }
    ]
  ])
}

function answer(request: IncomingMessage, response: ServerResponse, status: number, body: object): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end()
    return
  }
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(text)
}
