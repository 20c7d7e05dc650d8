import { AnswerQueue } from '../../lib/sending/answer-queue'
import { type ControlSource, FrameWriter } from '../../lib/sending/frame-writer'
import type { Sender } from '../../lib/sending/sender'
import { TokenQueue } from '../../lib/sending/token-queue'

/** A writer and the queue that it writes, as a sender has them. */
export class QueuedWriter extends FrameWriter {
  readonly queue: TokenQueue

  constructor(takeControl: ControlSource['takeControl'] = () => null, queue = new TokenQueue()) {
    super(queue, new AnswerQueue(() => {}))
    this.control = { takeControl, takeCounts: () => null }
    this.queue = queue
  }

  get queuedBytes(): number {
    return this.queue.waitingBytes
  }

  get queuedTokens(): number {
    return this.queue.size
  }

  push(token: Uint8Array): void {
    this.queue.push(token)
  }
}

/** Drops the oldest tokens that may be dropped. @returns how many */
export function dropOldest(sender: Sender, count: number): number {
  return sender.takeOut(
    () => true,
    count,
    () => {}
  ).length
}
