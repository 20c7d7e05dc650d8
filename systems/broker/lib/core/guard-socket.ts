import type { Duplex } from 'node:stream'
import { PacketGuard, type PacketGuardOptions, PacketViolation } from '../wire/packet-guard'

/**
 * Bytes that are read of a client while it does not take what it was sent. Their answers wait for it, and a small packet costs a hundred times
 * its bytes; but acknowledgements of what it takes slowly must come through.
 */
const MOST_READ_UNTAKEN = 65_536

/**
 * Puts a {@link PacketGuard} in front of whoever reads this stream by `read()`, without a stream of its own. When a packet breaks the
 * standard, the reader gets nothing more and the stream ends. Of a client that takes nothing, not much is read.
 */
export function guardSocket(
  stream: Duplex,
  options: PacketGuardOptions,
  onViolation: (violation: PacketViolation) => void
): void {
  const guard = new PacketGuard(options)
  const read = stream.read.bind(stream)
  let isBroken = false
  let readUntaken = 0
  let isHeld = false
  stream.on('drain', () => {
    readUntaken = 0
    if (!isHeld) return
    isHeld = false
    stream.emit('readable')
  })
  stream.read = size => {
    if (readUntaken > MOST_READ_UNTAKEN) {
      isHeld = true
      return null
    }
    const chunk: Buffer | null = read(size)
    if (chunk === null) return null
    if (isBroken) return null // what still comes is thrown away
    if (stream.writableNeedDrain) readUntaken += chunk.length
    try {
      return guard.take(chunk)
    } catch (error) {
      if (!(error instanceof PacketViolation)) throw error
      isBroken = true
      onViolation(error)
      if (error.reply === undefined) stream.destroy()
      else stream.end(error.reply)
      return null
    }
  }
}
