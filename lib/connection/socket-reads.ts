import type { Duplex } from 'node:stream'
import { throwLater } from '../runtime/application-call'
import { BufferView } from '../runtime/buffer-view'
import { nextTick } from '../runtime/event-loop'
import { untransferable } from '../runtime/shared-memory'
import { allocate } from '../runtime/slab-pool'

/** The reader of a socket. */
export interface ReadSink {
  onData(chunk: Buffer): void
  /** The memory in which the next bytes belong, as far as that is known; null: anywhere. */
  memory(): Buffer | null
}

/** What Node reads into, bytes: a TLS record at least. */
const INPUT_LENGTH = 64 * 1024

/**
 * All sockets of this process are read into it, one after the other: Node calls back before it reads again.
 *
 * Memory that changed with each read would save a copy within the cache. But Node learns the next one by what a call
 * returns, and an uncaught exception of anybody in the same turn takes that away: it would read into the old one.
 */
const input = untransferable(Buffer.allocUnsafeSlow(INPUT_LENGTH))

const { set } = Uint8Array.prototype

const bySocket = new WeakMap<Duplex, SocketReads>()

/** Throws away what comes. */
const NOBODY: ReadSink = { onData: () => {}, memory: () => null }

/**
 * Reads of a socket by Node's option `onread`: past the machinery of a Readable, and without memory of 64 KiB for each
 * read. Only a socket that is being made can be read so, and over TLS only a client's; others give `data`.
 *
 * ```
 *          ┌──▶ slab   [ chunk │ chunk │ chunk │ · · · · ]    never written twice: views of it are handed out
 *  input ──┤
 *          └──▶ token  [ from chunks before │ · · · · · ]     of a large one the rest is copied where it belongs
 * ```
 */
export class SocketReads {
  /** The option of `tls.connect`. */
  readonly onread = { buffer: input, callback: (bytes: number) => this.#read(bytes) }
  /** It is null until the first one comes, and reading waits for that. */
  #sink: ReadSink | null = null
  #waiting: Buffer[] = []

  /** @returns the reads of a socket that was made with them */
  static of(socket: Duplex): SocketReads | undefined {
    return bySocket.get(socket)
  }

  /** The socket was made with these. */
  own(socket: Duplex): void {
    bySocket.set(socket, this)
  }

  /** Gives what comes to that one from now on, and what has come in the next tick. */
  attach(sink: ReadSink): void {
    this.#sink = sink
    if (this.#waiting.length > 0) nextTick(() => this.#giveWaiting())
  }

  /** Throws away what comes until the next `attach`. */
  release(): void {
    this.#sink = NOBODY
  }

  #giveWaiting(): void {
    for (const chunk of this.#waiting.splice(0)) give(this.#sink ?? NOBODY, chunk)
  }

  /** @returns false to read no more until the socket is resumed */
  #read(bytes: number): boolean {
    for (let at = 0; at < bytes; ) {
      const sink = this.#waiting.length > 0 ? null : this.#sink
      const chunk = copy(at, bytes, sink?.memory() ?? null)
      // The application may transfer the token that ends with it: the chunk has no length then.
      at += chunk.length
      if (sink === null) this.#waiting.push(chunk)
      else give(sink, chunk)
    }
    return this.#sink !== null
  }
}

/** @returns a copy of the input up to `end`, or of as much of it as there is room where it belongs */
function copy(start: number, end: number, room: Buffer | null): Buffer {
  const memory = room ?? allocate(end - start)
  const length = Math.min(memory.length, end - start)
  set.call(memory, new BufferView(input.buffer, input.byteOffset + start, length))
  return length === memory.length ? memory : new BufferView(memory.buffer, memory.byteOffset, length)
}

/** An exception must not end the loop over what was read. */
function give(sink: ReadSink, chunk: Buffer): void {
  try {
    sink.onData(chunk)
  } catch (error) {
    throwLater(error)
  }
}
