import { BaseLink } from './base-link'
import { LINK_LIMITS, type LinkLimits } from './link-limits'

/** What a link needs of a WebSocket: that of a browser has it, that of React Native, and that of the package ws. */
export interface WebSocketLike {
  binaryType: string
  readonly bufferedAmount: number
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send(data: Uint8Array<ArrayBuffer>): void
  close(code?: number, reason?: string): void
}

/** Closes a WebSocket on which a frame came that can't be one. RFC 6455 leaves 4000 to 4999 to the application. */
export const CLOSE_NO_FRAME = 4_000

const CLOSE_NORMAL = 1_000

/** RFC 6455: a reason has at most 123 bytes. */
const MAX_REASON = 120

/** One frame a message over a WebSocket that is open. */
export class WebSocketLink extends BaseLink {
  protected readonly socket: WebSocketLike

  constructor(socket: WebSocketLike, limits: Partial<LinkLimits> = {}) {
    super({ ...LINK_LIMITS, ...limits })
    this.socket = socket
    socket.binaryType = 'arraybuffer'
    socket.onmessage = ({ data }: { readonly data: unknown }) => {
      if (data instanceof ArrayBuffer) this.received(new Uint8Array(data))
      else this.fail('a message came that is no frame')
    }
    socket.onclose = ({ code, reason }: { readonly code: number; readonly reason?: string }) =>
      this.closed({ reason: closeWords(code, reason) })
    // A close follows.
    socket.onerror = () => {}
  }

  /** React Native does not count them. */
  override get bufferedBytes(): number {
    return this.socket.bufferedAmount ?? 0
  }

  protected override write(frame: Uint8Array): void {
    this.socket.send(frame as Uint8Array<ArrayBuffer>)
  }

  protected override shut(why: string): void {
    this.socket.close(CLOSE_NORMAL, why.slice(0, MAX_REASON))
  }

  protected override breakOff(): void {
    this.socket.close(CLOSE_NO_FRAME)
  }
}

/** Words of the other side are not passed on but for a code that a program made, and then as they are meant: for a person. */
function closeWords(code: number, reason = ''): string {
  const words = /^[\w ,.'():-]{1,123}$/.test(reason) ? `: ${reason}` : ''
  return `the WebSocket was closed, ${code}${words}`
}
