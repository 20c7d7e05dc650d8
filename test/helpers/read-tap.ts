import type { Duplex } from 'node:stream'
import { SocketReads } from '../../lib/connection/socket-reads'

type Reader = (chunk: Buffer) => void

const readers = new WeakMap<SocketReads, Reader>()
const { attach } = SocketReads.prototype

/** What clients read during a suite can be tapped: it gives no `data` to listen to. */
export function tapsReads(): void {
  before(() => {
    SocketReads.prototype.attach = function (sink) {
      attach.call(this, {
        onData: chunk => {
          readers.get(this)?.(chunk)
          sink.onData(chunk)
        },
        memory: () => sink.memory()
      })
    }
  })
  after(() => {
    SocketReads.prototype.attach = attach
  })
}

/** Calls `reader` with each chunk that a client's socket reads, before the library has it. */
export function tapReads(socket: Duplex, reader: Reader): void {
  const reads = SocketReads.of(socket)
  if (reads === undefined) throw new Error('Cannot tap a socket that gives data')
  readers.set(reads, reader)
}
