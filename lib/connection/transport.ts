import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { isUint8Array } from 'node:util/types'
import { socketError } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import type { Protocol } from '../protocol/protocol'
import type { Receiver } from '../receiving/receiver'
import { nextTick } from '../runtime/event-loop'
import { untransferable } from '../runtime/shared-memory'
import type { Peer } from '../tls/peer'
import { type ReadSink, SocketReads } from './socket-reads'

/** The connection that a transport belongs to. */
export interface TransportHost {
  readonly receiver: Receiver
  /** Breaks the connection. */
  fail(error: TokenError): void
  /** The socket has closed. @param error null when both sides had ended */
  transportClosed(error: TokenError | null): void
}

/** The transport that the listeners of a socket tell. */
const attached = Symbol('attached')

interface Attached extends Duplex {
  [attached]: Transport
}

/**
 * One Duplex under a connection, until that lets go of it: the protocol that is spoken on it reads what comes.
 *
 * The listeners are the same functions for all sockets, for four closures cost each of them 300 bytes.
 */
export class Transport implements ReadSink {
  readonly socket: Duplex
  /** The peer at the other end. */
  readonly peer: Peer | null
  /** First the handshake, then what the two sides have agreed on. */
  protocol: Protocol
  /** The peer's address, which a socket forgets when it closes; null without one. */
  remoteAddress: string | null = null
  remotePort: number | null = null
  readonly #host: TransportHost
  /** Undefined where the socket gives `data`. */
  readonly #reads: SocketReads | undefined
  #isReleased = false

  constructor(socket: Duplex, peer: Peer | null, protocol: Protocol, host: TransportHost) {
    this.socket = socket
    this.peer = peer
    this.protocol = protocol
    this.#host = host
    this.#reads = SocketReads.of(socket)
    configure(socket)
    this.#locate()
    if ((socket as Partial<Socket>).connecting) socket.once('connect', () => this.#locate())
    Object.defineProperty(socket, attached, { value: this, configurable: true })
    socket.on('error', failed)
    socket.on('close', closed)
    socket.on('end', ended)
    if (this.#reads === undefined) socket.on('data', read)
    else this.#reads.attach(this)
    socket.resume()
    if (socket.destroyed) this.#later(() => this.closed())
    else if (socket.readableEnded) this.#later(() => this.protocol.transportEnded())
  }

  /** False when the connection has let go of it. */
  get isAttached(): boolean {
    return !this.#isReleased
  }

  /** The memory in which the next bytes belong; null when that is not known. */
  memory(): Buffer | null {
    return this.#host.receiver.memory
  }

  onData(chunk: unknown): void {
    if (Buffer.isBuffer(chunk)) this.protocol.read(chunk)
    else this.fail(chunkError(chunk))
  }

  /** A peer that has the last CLOSE may be gone before the socket has ended: that resets it, and is no error. */
  fail(error: Error): void {
    if (this.protocol.isOver) this.socket.destroy()
    else this.#host.fail(socketError(error))
  }

  closed(): void {
    this.#host.transportClosed(this.#closeError())
  }

  /** Tells nothing any more. Who takes the socket now must listen; an error that comes meanwhile hurts nobody. */
  release(): void {
    const { socket } = this
    this.#isReleased = true
    socket.on('error', ignore)
    socket.removeListener('error', failed)
    socket.removeListener('close', closed)
    socket.removeListener('end', ended)
    if (this.#reads === undefined) socket.removeListener('data', read)
    else this.#reads.release()
  }

  #locate(): void {
    const { remoteAddress, remotePort } = this.socket as Partial<Socket>
    this.remoteAddress = remoteAddress ?? null
    this.remotePort = remotePort ?? null
  }

  /** The error of a socket that someone else destroyed. */
  #closeError(): TokenError | null {
    const { errored, readableEnded, writableFinished } = this.socket
    if (this.protocol.isOver) return null
    if (errored !== null) return socketError(errored)
    if (readableEnded && writableFinished) return null
    const message = 'Cannot use the connection: its socket was destroyed before both sides had ended'
    return new TokenError('ERR_SOCKET', message)
  }

  #later(tell: () => void): void {
    nextTick(() => {
      if (!this.#isReleased) tell()
    })
  }
}

function read(this: Attached, chunk: unknown): void {
  // One chunk has many tokens.
  if (isUint8Array(chunk)) untransferable(chunk)
  this[attached].onData(chunk)
}

function ended(this: Attached): void {
  this[attached].protocol.transportEnded()
}

function failed(this: Attached, error: Error): void {
  this[attached].fail(error)
}

function closed(this: Attached): void {
  this[attached].closed()
}

function ignore(): void {}

function chunkError(chunk: unknown): TokenError {
  const message = `Cannot read from the socket: it gives a ${typeof chunk} instead of a Buffer (setEncoding, object mode)`
  return new TokenError('ERR_SOCKET', message)
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
