import type { Duplex } from 'node:stream'
import { PacketGuard, type PacketGuardOptions, PacketViolation } from '../wire/packet-guard'

/**
 * Puts a {@link PacketGuard} in front of whoever reads this stream by `read()`, without a stream of its own. When a packet breaks the
 * standard, the reader gets nothing more and the stream ends.
 */
export function guardSocket(
  stream: Duplex,
  options: PacketGuardOptions,
  onViolation: (violation: PacketViolation) => void
): void {
  const guard = new PacketGuard(options)
  const read = stream.read.bind(stream)
  let isBroken = false
  stream.read = size => {
    const chunk: Buffer | null = read(size)
    if (chunk === null) return null
    if (isBroken) return null // what still comes is thrown away
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
