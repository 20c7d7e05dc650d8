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
import type { RequestBodies } from './request-bodies'

export interface AboutRequest {
  /** Of the client. */
  readonly address: string
  /** What it has given. */
  readonly proof: OnceProof
}

export interface WebRoutesOptions {
  /**
   * Answers a frame, which is read when it is asked for: whoever is not let in costs no memory by it.
   *
   * @throws (rejects) RemoteError: `disconnected` is 404, or 503 for a device that is away; `refused` 400, 413 or 429; `timeout` 504, or
   * 408 while the frame was read
   */
  readonly once: (
    device: string,
    frame: () => Promise<Uint8Array>,
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
  readonly bodies: RequestBodies
  /** Asked for all other paths. */
  readonly page?: ((request: Request) => Promise<Response | undefined>) | undefined
}

/** What a device or a relay answers over HTTP: requests without a connection, and who a device is. */
export function webRoutes({
  once,
  notice,
  invitation,
  mayAsk = () => true,
  bodies,
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
      try {
        const read = () => bodies.read(incoming)
        const reply = await once(device, read, { ...about(), signal: request.signal })
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
  if (code === 'timeout') return reason === 'too-slow' ? 408 : 504
  if (reason === 'too-large') return 413
  return reason === 'busy' ? 429 : 400
}
