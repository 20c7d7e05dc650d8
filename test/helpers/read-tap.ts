import type { Duplex } from 'node:stream'
import { SocketReads } from '../../lib/socket-reads'

type Reader = (chunk: Buffer) => void

const readers = new WeakMap<SocketReads, Reader>()
const { attach } = SocketReads.prototype

/** For `before`: what clients read from now on can be tapped. It gives no `data` to listen to. */
export function installReadTap(): void {
  SocketReads.prototype.attach = function (sink) {
    attach.call(this, {
      onData: chunk => {
        readers.get(this)?.(chunk)
        sink.onData(chunk)
      },
      memory: () => sink.memory()
    })
  }
}

/** For `after`. */
export function removeReadTap(): void {
  SocketReads.prototype.attach = attach
}

/** Calls `reader` with each chunk that a client's socket reads, before the library has it. */
export function tapReads(socket: Duplex, reader: Reader): void {
  const reads = SocketReads.of(socket)
  if (reads === undefined) throw new Error('Cannot tap a socket that gives data')
  readers.set(reads, reader)
}
