import type { Duplex } from 'node:stream'
import { isUint8Array } from 'node:util/types'
import { nextTick } from '../runtime/event-loop'
import { untransferable } from '../runtime/shared-memory'
import { SocketReads } from './socket-reads'

/** What a transport tells its connection. */
export interface TransportEvents {
  onData(chunk: unknown): void
  /** Where the next bytes belong, null when that is not known. */
  memory(): Buffer | null
  onEnd(): void
  onError(error: Error): void
  onClose(): void
}

/** Whom the listeners of a socket tell. */
const attached = Symbol('attached')

interface Attached extends Duplex {
  [attached]: TransportEvents
}

/**
 * One Duplex under a connection: its events, until the connection lets go of it.
 *
 * The listeners are the same functions for all sockets, for four closures cost each of them 300 bytes.
 */
export class Transport {
  readonly socket: Duplex
  /** Undefined where the socket gives `data`. */
  readonly #reads: SocketReads | undefined
  #isReleased = false

  constructor(socket: Duplex, events: TransportEvents) {
    this.socket = socket
    this.#reads = SocketReads.of(socket)
    configure(socket)
    Object.defineProperty(socket, attached, { value: events, configurable: true })
    socket.on('error', tellError)
    socket.on('close', tellClose)
    socket.on('end', tellEnd)
    if (this.#reads === undefined) socket.on('data', tellData)
    else this.#reads.attach(events)
    socket.resume()
    if (socket.destroyed) this.#later(() => events.onClose())
    else if (socket.readableEnded) this.#later(() => events.onEnd())
  }

  /** Tells nothing any more. Who takes the socket now must listen; an error that comes meanwhile hurts nobody. */
  release(): void {
    const { socket } = this
    this.#isReleased = true
    socket.on('error', ignore)
    socket.removeListener('error', tellError)
    socket.removeListener('close', tellClose)
    socket.removeListener('end', tellEnd)
    if (this.#reads === undefined) socket.removeListener('data', tellData)
    else this.#reads.release()
  }

  #later(tell: () => void): void {
    nextTick(() => {
      if (!this.#isReleased) tell()
    })
  }
}

function tellData(this: Attached, chunk: unknown): void {
  // One chunk has many tokens.
  if (isUint8Array(chunk)) untransferable(chunk)
  this[attached].onData(chunk)
}

function tellEnd(this: Attached): void {
  this[attached].onEnd()
}

function tellError(this: Attached, error: Error): void {
  this[attached].onError(error)
}

function tellClose(this: Attached): void {
  this[attached].onClose()
}

const tcpOptions = Symbol('tcpOptions')

/** What TCP of a socket is to do, in the place of what is best for most. */
export interface TcpOptions {
  readonly noDelay?: boolean | undefined
  readonly keepAlive?: boolean | undefined
  /** Milliseconds. */
  readonly keepAliveInitialDelay?: number | undefined
}

/** For a {@link Transport} that is to come. */
export function giveTcpOptions(socket: Duplex & TcpSocket, options: TcpOptions): void {
  if (Object.keys(options).length > 0) socket[tcpOptions] = options
}

interface TcpSocket {
  setNoDelay?(on: boolean): void
  setKeepAlive?(on: boolean, delay: number): void
  [tcpOptions]?: TcpOptions
}

const NO_OPTIONS: TcpOptions = Object.freeze({})

function configure(socket: Duplex & TcpSocket): void {
  const {
    noDelay = true,
    keepAlive = true,
    keepAliveInitialDelay = 60_000
  } = socket[tcpOptions] ?? NO_OPTIONS
  // The sides end one by one: what is queued when the peer ends is still flushed.
  socket.allowHalfOpen = true
  socket.setNoDelay?.(noDelay)
  socket.setKeepAlive?.(keepAlive, keepAliveInitialDelay)
}

function ignore(): void {}
