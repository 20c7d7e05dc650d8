import { RemoteError } from '../errors/remote-error'
import { within } from '../time/within'
import { unreachable } from './dial-error'
import { CONNECT_TIMEOUT, LINK_LIMITS, type LinkLimits } from './link-limits'
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

export interface BrowserOnceOptions {
  /** Default: the one that is there. */
  readonly fetch?: typeof globalThis.fetch | undefined
  readonly limits?: Partial<LinkLimits> | undefined
  /** Milliseconds for what is asked before the first request. Default 10,000. */
  readonly connectTimeout?: number | undefined
}

/** One request over the web, by `fetch`, which does not tell whether a request that failed had left: `ran` is `maybe` then. */
export function onceBrowser({
  fetch,
  limits,
  connectTimeout = CONNECT_TIMEOUT
}: BrowserOnceOptions = {}): OnceDial {
  const { maxFrameBytes } = { ...LINK_LIMITS, ...limits }
  const ask = async (url: URL, init: RequestInit, signal: AbortSignal | undefined): Promise<Uint8Array> => {
    const isSent = init.body !== undefined
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
      throw lost(cause, isSent)
    }
    if (response.status !== 200) throw onceFailure(response.status, isSent)
    try {
      const answer = new Uint8Array(await response.arrayBuffer())
      if (answer.length <= maxFrameBytes) return answer
    } catch (cause) {
      throw lost(cause, isSent)
    }
    throw lost(new Error('the answer is too long'), isSent)
  }
  const get = (url: URL, signal: AbortSignal | undefined, proof?: OnceProof) =>
    within(
      connectTimeout,
      signal,
      why => unreachable(why === 'late' ? 'connect-timeout' : why),
      limited => ask(url, { headers: proofHeaders(proof) }, limited)
    )
  return {
    post(url, device, frame, signal, proof) {
      const body = frame as Uint8Array<ArrayBuffer>
      const headers = { ...proofHeaders(proof), 'content-type': 'application/octet-stream' }
      return ask(new URL(ONCE_PATH + device, url), { method: 'POST', body, headers }, signal)
    },
    invitation(url, place, signal) {
      return get(new URL(INVITATIONS_PATH + place, url), signal)
    },
    async lookUp(url, device, signal, proof) {
      return readNotice(await get(new URL(DEVICES_PATH + device, url), signal, proof))
    }
  }
}

function lost(cause: unknown, isSent: boolean): RemoteError {
  return new RemoteError(
    'disconnected',
    'Cannot ask the device: because the connection could not be made, or broke',
    {
      ran: isSent ? 'maybe' : 'no',
      cause
    }
  )
}
