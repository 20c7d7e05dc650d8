import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { RemoteError } from '../errors/remote-error'
import { within } from '../time/within'
import { unreachable } from './dial-error'
import { CONNECT_TIMEOUT, LINK_LIMITS } from './link-limits'
import type { NodeDialOptions } from './node-web-socket'
import {
  DEVICES_PATH,
  INVITATIONS_PATH,
  ONCE_PATH,
  type OnceDial,
  type OnceProof,
  onceFailure,
  proofHeaders,
  readNotice
} from './once'

/** Bytes of a notice. */
const MAX_NOTICE = 4_096

/** One request over the web, by Node's own. */
export function onceNode({ tls, limits, connectTimeout = CONNECT_TIMEOUT }: NodeDialOptions = {}): OnceDial {
  const { maxFrameBytes } = { ...LINK_LIMITS, ...limits }

  async function ask(
    url: URL,
    most: number,
    signal: AbortSignal | undefined,
    proof: OnceProof | undefined,
    body?: Uint8Array
  ): Promise<Buffer> {
    let isOut = false
    let hasAnswer = false
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(
          url,
          {
            ...tls,
            agent: false,
            method: body === undefined ? 'GET' : 'POST',
            signal,
            headers: {
              ...proofHeaders(proof),
              ...(body && { 'content-type': 'application/octet-stream', 'content-length': body.length })
            }
          },
          response => {
            hasAnswer = true
            read(response, most, body !== undefined).then(resolve, reject)
          }
        )
        const timer = setTimeout(() => request.destroy(unreachable('connect-timeout')), connectTimeout)
        request.once('socket', socket => {
          socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
            isOut = true
            clearTimeout(timer)
          })
        })
        request.once('close', () => {
          clearTimeout(timer)
          if (!hasAnswer) reject(new Error('the connection was closed'))
        })
        request.on('error', reject)
        request.end(body)
      })
    } catch (error) {
      if (error instanceof RemoteError) throw error
      if (!isOut) throw unreachable(signal?.aborted ? 'aborted' : (error as Error))
      const message = 'Cannot tell what became of a request: because the connection broke before the answer'
      const ran = body === undefined ? 'no' : 'maybe'
      throw new RemoteError('disconnected', message, { ran, cause: error })
    }
  }

  const get = (url: URL, signal: AbortSignal | undefined, proof?: OnceProof) =>
    within(
      connectTimeout,
      signal,
      why => unreachable(why === 'late' ? 'connect-timeout' : why),
      limited => ask(url, MAX_NOTICE, limited, proof)
    )

  return {
    post(url, device, frame, signal, proof) {
      return ask(new URL(ONCE_PATH + device, url), maxFrameBytes, signal, proof, frame)
    },
    invitation(url, place, signal) {
      return get(new URL(INVITATIONS_PATH + place, url), signal)
    },
    async lookUp(url, device, signal, proof) {
      return readNotice(await get(new URL(DEVICES_PATH + device, url), signal, proof))
    }
  }
}

async function read(response: IncomingMessage, most: number, isSent: boolean): Promise<Buffer> {
  const { statusCode = 0 } = response
  if (statusCode !== 200) {
    response.destroy()
    throw onceFailure(statusCode, isSent)
  }
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > most) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
