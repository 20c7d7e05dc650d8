import type { Fetch } from '@token-server/service'
import { RemoteError } from '../errors/remote-error'
import {
  DEVICES_PATH,
  type DeviceNotice,
  INVITATIONS_PATH,
  ONCE_PATH,
  type OnceProof,
  TAG_HEADER
} from '../transport/once'
import { isId } from '../wire/frame'

export interface AboutRequest {
  /** Of the client. */
  readonly address: string
  /** What it has given. */
  readonly proof: OnceProof
}

export interface WebRoutesOptions {
  /** @throws (rejects) RemoteError: `disconnected` is 404, or 503 for a device that is away; `refused` 400, 413 or 429; `timeout` 504 */
  readonly once: (
    device: string,
    frame: Uint8Array,
    about: AboutRequest & { readonly signal: AbortSignal }
  ) => Promise<Uint8Array>
  /** Undefined: there is no such device. */
  readonly notice: (
    device: string,
    about: AboutRequest
  ) => DeviceNotice | undefined | Promise<DeviceNotice | undefined>
  /** A sealed invitation, for the first who asks. */
  readonly invitation?:
    | ((place: string, about: AboutRequest) => Uint8Array | undefined | Promise<Uint8Array | undefined>)
    | undefined
  /** Asked before anything is read or looked for. False: 429, the address has asked too much. Default: it may. */
  readonly mayAsk?: ((address: string) => boolean) | undefined
  readonly maxFrameBytes: number
  /** Asked for all other paths. */
  readonly page?: ((request: Request) => Promise<Response | undefined>) | undefined
}

/** What a device or a relay answers over HTTP: requests without a connection, and who a device is. */
export function webRoutes({
  once,
  notice,
  invitation,
  mayAsk = () => true,
  maxFrameBytes,
  page
}: WebRoutesOptions): Fetch {
  return async (request, { incoming }) => {
    const { pathname } = new URL(request.url)
    const { remoteAddress: address = '' } = incoming.socket
    const about = () => ({ address, proof: proofIn(request) })
    if (pathname.startsWith(ONCE_PATH)) {
      if (request.method !== 'POST') return answer(405, { allow: 'POST' })
      const device = pathname.slice(ONCE_PATH.length)
      if (!isId(device)) return answer(404)
      if (!mayAsk(address)) return answer(429)
      const frame = await bodyOf(request, maxFrameBytes)
      if (frame === undefined) return answer(413)
      try {
        const reply = await once(device, frame, { ...about(), signal: request.signal })
        return bytesAnswer(reply)
      } catch (error) {
        if (error instanceof RemoteError) return answer(statusOf(error))
        throw error
      }
    }
    if (pathname.startsWith(DEVICES_PATH)) {
      if (request.method !== 'GET') return answer(405, { allow: 'GET' })
      const device = pathname.slice(DEVICES_PATH.length)
      if (!mayAsk(address)) return answer(429)
      const found = isId(device) ? await notice(device, about()) : undefined
      return found === undefined ? answer(404) : Response.json(found, { headers: HEADERS })
    }
    if (pathname.startsWith(INVITATIONS_PATH)) {
      if (request.method !== 'GET') return answer(405, { allow: 'GET' })
      if (!mayAsk(address)) return answer(429)
      const sealed = await invitation?.(pathname.slice(INVITATIONS_PATH.length), about())
      return sealed === undefined ? answer(404) : bytesAnswer(sealed)
    }
    return (await page?.(request)) ?? answer(404)
  }
}

const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

function bytesAnswer(bytes: Uint8Array): Response {
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    headers: { ...HEADERS, 'content-type': 'application/octet-stream' }
  })
}

function answer(status: number, headers: Record<string, string> = {}): Response {
  return new Response(null, { status, headers: { ...HEADERS, ...headers } })
}

function proofIn({ headers }: Request): OnceProof {
  const [, jwt] = /^bearer +(\S+)$/i.exec(headers.get('authorization') ?? '') ?? []
  return { jwt, tag: headers.get(TAG_HEADER) ?? undefined }
}

function statusOf({ code, reason }: RemoteError): number {
  if (code === 'disconnected') return reason === 'device-offline' ? 503 : 404
  if (code === 'timeout') return 504
  if (reason === 'too-large') return 413
  return reason === 'busy' ? 429 : 400
}

/** @returns undefined for one that is too long */
async function bodyOf(request: Request, most: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers.get('content-length') ?? 0) > most) return undefined
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > most) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
