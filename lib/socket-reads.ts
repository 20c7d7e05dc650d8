import type { Duplex } from 'node:stream'
import { BufferView } from './buffer-view'

/** Who takes what a socket reads. */
export interface ReadSink {
  onData(chunk: Buffer): void
  /** Where the next bytes belong, as far as that is known: they are read right there. Null: anywhere. */
  memory(): Buffer | null
}

/** What one read can have at most, bytes: a TLS record. */
const RECORD_LENGTH = 16 * 1024

/** Memory for busy reading, bytes: four full records. */
const LARGE_LENGTH = 4 * RECORD_LENGTH

/** Memory for a few answers, bytes; all that an idle connection keeps. */
const SMALL_LENGTH = 4 * 1024

/** A read below this length is no busy one, bytes. */
const QUIET_BELOW = 1024

const bySocket = new WeakMap<Duplex, SocketReads>()

/** Throws away what comes. */
const NOBODY: ReadSink = { onData: () => {}, memory: () => null }

/**
 * Reads of a socket by Node's option `onread`: into memory of ours, past the machinery of a Readable. Only a socket
 * that is being made can be read so, and over TLS only a client's; others give `data`.
 *
 * ```
 *  slab   [ chunk │ chunk │ chunk │ next read ······ ]      never written twice: chunks are handed out as they are
 *  token  [ from chunks before │ next read ·········· ]     of a large one the rest is read where it belongs
 * ```
 */
export class SocketReads {
  /** The option of `tls.connect`. */
  readonly onread = {
    buffer: () => this.#next(),
    callback: (bytes: number, memory: Uint8Array) => this.#read(bytes, memory as Buffer)
  }
  /** Null until the first one: reading waits for it. */
  #sink: ReadSink | null = null
  #waiting: Buffer[] = []
  #slab = Buffer.allocUnsafeSlow(SMALL_LENGTH)
  #used = 0
  /** The last read filled its memory: the next one has more of the same record, most likely. */
  #isFull = false
  /** Bytes of the last record, as far as it was read. */
  #recordBytes = 0
  #isDirect = false

  /** @returns the reads of a socket that was made with them */
  static of(socket: Duplex): SocketReads | undefined {
    return bySocket.get(socket)
  }

  /** The socket was made with these. */
  own(socket: Duplex): void {
    bySocket.set(socket, this)
  }

  /** From now on that one takes what comes; what has come is given to it in the next tick. */
  attach(sink: ReadSink): void {
    this.#sink = sink
    if (this.#waiting.length > 0) process.nextTick(() => this.#giveWaiting())
  }

  /** Throws away what comes until the next `attach`. */
  release(): void {
    this.#sink = NOBODY
  }

  #giveWaiting(): void {
    for (const chunk of this.#waiting.splice(0)) this.#sink?.onData(chunk)
  }

  /** @returns false to read no more until the socket is resumed */
  #read(bytes: number, memory: Buffer): boolean {
    this.#recordBytes = this.#isFull ? this.#recordBytes + bytes : bytes
    this.#isFull = bytes === memory.length
    if (!this.#isDirect) this.#used += bytes
    const chunk = bytes === memory.length ? memory : new BufferView(memory.buffer, memory.byteOffset, bytes)
    if (this.#sink !== null && this.#waiting.length === 0) {
      this.#sink.onData(chunk)
      return true
    }
    this.#waiting.push(chunk)
    return this.#sink !== null
  }

  /** Memory for the next read. */
  #next(): Buffer {
    const memory = this.#waiting.length > 0 ? null : (this.#sink?.memory() ?? null)
    this.#isDirect = memory !== null
    if (memory !== null) return memory
    const left = this.#slab.length - this.#used
    const isQuiet = this.#recordBytes < QUIET_BELOW
    const isLarge = this.#slab.length > SMALL_LENGTH
    if (isLarge ? isQuiet || left < RECORD_LENGTH : left < Math.max(this.#recordBytes, QUIET_BELOW)) {
      this.#slab = Buffer.allocUnsafeSlow(isQuiet ? SMALL_LENGTH : LARGE_LENGTH)
      this.#used = 0
    }
    return new BufferView(
      this.#slab.buffer,
      this.#slab.byteOffset + this.#used,
      this.#slab.length - this.#used
    )
  }
}
