import { TokenError } from '../errors/token-error'
import { Deadline } from '../runtime/deadline'
import type { ProtocolHost } from './protocol'

/** Bytes in one `frameTimeout` that count as progress although no token was completed. */
export const FRAME_PROGRESS_BYTES = 4096

/** Notices a peer that has begun a token, completes none, and sends next to nothing of it. */
export class FrameWatch {
  readonly #deadline: Deadline
  #tokens = 0
  #bytes = 0
  #tokensAtStart = 0
  #bytesAtStart = 0

  /** @param host which it breaks after `frameTimeout` without progress */
  constructor(host: Pick<ProtocolHost, 'limits' | 'fail'>) {
    this.#deadline = new Deadline(host.limits.frameTimeout, () => {
      const bytes = this.#bytes - this.#bytesAtStart
      if (bytes >= FRAME_PROGRESS_BYTES) this.#start()
      else host.fail(frameTimeoutError(bytes))
    })
  }

  /**
   * Bytes were read.
   *
   * @param tokens a count that grows with each token
   * @param bytes those of tokens
   */
  update(isMidToken: boolean, tokens: number, bytes: number): void {
    this.#tokens = tokens
    this.#bytes += bytes
    if (!isMidToken) this.#deadline.disarm()
    else if (!this.#deadline.isArmed || this.#tokensAtStart !== tokens) this.#start()
  }

  /** This side does not read: the peer can't be blamed. */
  suspend(): void {
    this.#deadline.disarm()
  }

  clear(): void {
    this.#deadline.clear()
  }

  #start(): void {
    this.#tokensAtStart = this.#tokens
    this.#bytesAtStart = this.#bytes
    this.#deadline.arm()
  }
}

function frameTimeoutError(bytes: number): TokenError {
  return new TokenError(
    'ERR_FRAME_TIMEOUT',
    `Cannot read a token: the peer began it and sent ${bytes} bytes in one frameTimeout, at least ${FRAME_PROGRESS_BYTES} are demanded`
  )
}
