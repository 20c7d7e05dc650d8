import type { Duplex } from 'node:stream'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { WebSocket } from 'ws'
import type { RemoteError } from '../errors/remote-error'
import { type Check, type Checks, isObject, isTime } from '../options/check-options'
import { unreachable } from './dial-error'
import {
  CLOSE_TIMEOUT,
  CONNECT_TIMEOUT,
  LINK_LIMITS,
  LINK_LIMITS_CHECKS,
  type LinkLimits
} from './link-limits'
import { UnfinishedBytes } from './unfinished-bytes'
import { CLOSE_NO_FRAME, type WebSocketLike, WebSocketLink } from './web-socket-link'

/** TLS of a dial: whom to trust, and one's own certificate where the other side asks for one. */
export interface DialTls extends Pick<SecureContextOptions, 'ca' | 'cert' | 'key' | 'minVersion'> {
  /** The name that the certificate of the other side must bear. Default: the host that is dialled. */
  readonly servername?: string
  /** False trusts every server, as `sealed` frames need none of it. Default true. */
  readonly rejectUnauthorized?: boolean
}

export interface NodeDialOptions {
  readonly tls?: DialTls | undefined
  readonly limits?: Partial<LinkLimits> | undefined
  /** Milliseconds for the name, TCP, TLS and the greeting. Default 10,000. */
  readonly connectTimeout?: number | undefined
}

const isTls: Check = value => {
  try {
    createSecureContext(value as DialTls)
    return isObject(value)
  } catch (error) {
    return `refused by TLS: ${(error as NodeJS.ErrnoException).code}`
  }
}

export const DIAL_CHECKS: Checks<NodeDialOptions> = {
  tls: isTls,
  limits: LINK_LIMITS_CHECKS,
  connectTimeout: isTime
}

/** A WebSocket of the package ws that is open, dialled or accepted. */
export class NodeWebSocketLink extends WebSocketLink {
  readonly #ws: WebSocket
  #heartbeat: NodeJS.Timeout | undefined
  #cutter: NodeJS.Timeout | undefined
  /** Of one that was accepted. */
  readonly #unfinished: UnfinishedBytes | undefined

  /** @param accepted the connection below, of a client: then whoever accepted it looks for signs of life */
  constructor(ws: WebSocket, limits: Partial<LinkLimits> = {}, accepted?: Duplex) {
    super(ws as WebSocketLike, limits)
    this.#ws = ws
    // Node's own buffers, without a copy and without an event object.
    ws.binaryType = 'nodebuffer'
    ws.onmessage = null
    ws.on('message', (data: Buffer, isBinary) => {
      // What comes behind a close is read until that is answered: there is no end to it.
      if (!this.isClosed) this.#unfinished?.finished()
      if (isBinary) this.received(data)
      else this.fail('a message came that is no frame')
    })
    ws.once('close', () => {
      clearInterval(this.#heartbeat)
      clearTimeout(this.#cutter)
    })
    if (accepted === undefined) this.#askForLife()
    else
      this.#unfinished = new UnfinishedBytes(accepted, () => {
        ws.terminate()
        this.closed({ reason: 'too much came of what is no whole frame' })
      })
  }

  trust(): void {
    this.#unfinished?.stop()
  }

  protected override write(frame: Uint8Array): void {
    this.#ws.send(frame, this.#onSent)
  }

  readonly #onSent = (): void => this.drained()

  /** `#onSent` tells. */
  protected override watchDrain(): void {}

  protected override shut(why: string): void {
    super.shut(why)
    this.#cutter = setTimeout(() => this.#ws.terminate(), CLOSE_TIMEOUT).unref()
  }

  /** Whoever does not read would not read why, either. */
  protected override breakOff(): void {
    if (this.bufferedBytes > this.limits.highWaterBytes) this.#ws.terminate()
    else {
      this.#ws.close(CLOSE_NO_FRAME)
      this.#cutter = setTimeout(() => this.#ws.terminate(), CLOSE_TIMEOUT).unref()
    }
  }

  pause(): void {
    this.#ws.pause()
  }

  resume(): void {
    this.#ws.resume()
  }

  #askForLife(): void {
    let isSilent = false
    this.#ws.on('pong', () => {
      isSilent = false
    })
    this.#heartbeat = setInterval(() => {
      if (isSilent) {
        this.#ws.terminate()
        return
      }
      isSilent = true
      this.#ws.ping()
    }, this.limits.heartbeat).unref()
  }
}

/**
 * @param url `ws:` or `wss:`
 * @throws (rejects) RemoteError `disconnected`
 */
export function dialWebSocket(
  url: string,
  { tls, limits, connectTimeout = CONNECT_TIMEOUT }: NodeDialOptions,
  signal?: AbortSignal
): Promise<NodeWebSocketLink> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(unreachable('aborted'))
      return
    }
    const ws = new WebSocket(url, {
      ...tls,
      perMessageDeflate: false,
      followRedirects: false,
      handshakeTimeout: connectTimeout,
      maxPayload: limits?.maxFrameBytes ?? LINK_LIMITS.maxFrameBytes
    })
    let failure: RemoteError | undefined
    const abort = () => {
      failure = unreachable('aborted')
      ws.terminate()
    }
    signal?.addEventListener('abort', abort, { once: true })
    const failed = (error: Error) => {
      signal?.removeEventListener('abort', abort)
      reject(failure ?? unreachable(error))
    }
    ws.once('error', failed)
    ws.once('unexpected-response', (_, response) => {
      failure = unreachable(response.statusCode ?? 0)
      ws.terminate()
    })
    ws.once('open', () => {
      signal?.removeEventListener('abort', abort)
      ws.removeListener('error', failed)
      resolve(new NodeWebSocketLink(ws, limits))
    })
  })
}
