import { RemoteError } from '../errors/remote-error'
import { LINK_LIMITS, type LinkLimits } from './link-limits'
import {
  DEVICES_PATH,
  INVITATIONS_PATH,
  ONCE_PATH,
  type OnceDial,
  onceFailure,
  proofHeaders,
  readNotice
} from './once'

export interface BrowserOnceOptions {
  /** Default: the one that is there. */
  readonly fetch?: typeof globalThis.fetch | undefined
  readonly limits?: Partial<LinkLimits> | undefined
}

/** One request over the web, by `fetch`, which does not tell whether a request that failed had left: `ran` is `maybe` then. */
export function onceBrowser({ fetch, limits }: BrowserOnceOptions = {}): OnceDial {
  const { maxFrameBytes } = { ...LINK_LIMITS, ...limits }
  const ask = async (url: URL, init: RequestInit, signal: AbortSignal | undefined): Promise<Response> => {
    let response: Response
    try {
      response = await (fetch ?? globalThis.fetch)(url, {
        ...init,
        credentials: 'omit',
        cache: 'no-store',
        redirect: 'error',
        ...(signal !== undefined && { signal })
      })
    } catch (cause) {
      throw lost(cause)
    }
    if (response.status !== 200) throw onceFailure(response.status)
    return response
  }
  return {
    async post(url, device, frame, signal, proof) {
      const body = frame as Uint8Array<ArrayBuffer>
      const headers = { ...proofHeaders(proof), 'content-type': 'application/octet-stream' }
      const response = await ask(new URL(ONCE_PATH + device, url), { method: 'POST', body, headers }, signal)
      try {
        const answer = new Uint8Array(await response.arrayBuffer())
        if (answer.length <= maxFrameBytes) return answer
      } catch (cause) {
        throw lost(cause)
      }
      throw lost(new Error('the answer is too long'))
    },
    async invitation(url, place, signal) {
      const response = await ask(new URL(INVITATIONS_PATH + place, url), {}, signal)
      return new Uint8Array(await response.arrayBuffer())
    },
    async lookUp(url, device, signal, proof) {
      const headers = proofHeaders(proof)
      return readNotice(await (await ask(new URL(DEVICES_PATH + device, url), { headers }, signal)).text())
    }
  }
}

function lost(cause: unknown): RemoteError {
  return new RemoteError(
    'disconnected',
    'Cannot ask the device: because the connection could not be made, or broke',
    {
      ran: 'maybe',
      cause
    }
  )
}
