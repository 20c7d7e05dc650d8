import { X509Certificate } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import type { Certificates } from '../helpers/certificates'
import { Network, type OnRead, SimulatedSocket } from './network'
import type { Chance } from './random'

/** The module as the library calls it: its functions can be replaced. */
const tls = createRequire(__filename)('node:tls') as Record<'connect' | 'createServer', unknown>

interface ConnectOptions {
  readonly port: number
  readonly servername?: string
  readonly onread?: OnRead
}

/** The part of a TLS socket that the library asks for, of one that leads through a {@link Network}. */
class MemoryTlsSocket extends SimulatedSocket {
  readonly alpnProtocol = 'token/2'
  readonly authorized = true
  readonly authorizationError = null
  readonly remoteAddress = '10.0.0.1'
  readonly remotePort = 1
  /** The raw socket underneath, which is the same here. */
  readonly _parent = this
  readonly #own: X509Certificate
  readonly #peer: X509Certificate

  constructor(own: X509Certificate, peer: X509Certificate) {
    super()
    this.#own = own
    this.#peer = peer
  }

  isSessionReused(): boolean {
    return false
  }

  getPeerX509Certificate(): X509Certificate {
    return this.#peer
  }

  getPeerCertificate(): Pick<X509Certificate, 'raw' | 'fingerprint256'> {
    return this.#peer
  }

  getX509Certificate(): X509Certificate {
    return this.#own
  }
}

/** The part of `tls.Server` that the library uses. */
class MemoryTlsServer extends EventEmitter {
  readonly #network: Network
  readonly #sockets = new Set<SimulatedSocket>()
  #port: number | null = null
  #isClosing = false

  constructor(network: Network) {
    super()
    this.#network = network
    this.on('connection', (socket: SimulatedSocket) => {
      socket.onSecured = () => this.emit('secureConnection', socket)
    })
  }

  listen({ port }: { port: number }): this {
    const isFree = this.#network.listen(port, socket => this.#accept(socket))
    if (isFree) this.#port = port
    process.nextTick(() => {
      if (isFree) this.emit('listening')
      else this.emit('error', Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' }))
    })
    return this
  }

  address(): { port: number } {
    return { port: this.#port as number }
  }

  setSecureContext(): void {}

  close(): this {
    if (this.#port !== null) this.#network.stopListening(this.#port)
    this.#port = null
    this.#isClosing = true
    process.nextTick(() => this.#checkClosed())
    return this
  }

  #accept(socket: SimulatedSocket): void {
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#checkClosed()
    })
    this.emit('connection', socket)
  }

  #checkClosed(): void {
    if (!this.#isClosing || this.#sockets.size > 0) return
    this.#isClosing = false
    this.emit('close')
  }
}

/**
 * Puts TLS over a {@link Network} in the place of Node's: what TokenClient and TokenServer dial and listen with leads
 * through memory, and all else of them is as it is.
 */
export class MemoryTls {
  readonly network: Network
  /** Told of each dial, before it goes out. */
  onDial: (servername: string, port: number) => void = () => {}
  readonly #onSocket: (socket: SimulatedSocket) => void
  readonly #client: X509Certificate
  readonly #server: X509Certificate
  readonly #original = { connect: tls.connect, createServer: tls.createServer }

  /** @param onSocket told of each end of a transport that is made */
  constructor(chance: Chance, { client, server }: Certificates, onSocket: (socket: SimulatedSocket) => void) {
    this.#onSocket = onSocket
    this.#client = new X509Certificate(client.cert)
    this.#server = new X509Certificate(server.cert)
    this.network = new Network(chance, () => this.#create(this.#server, this.#client))
    tls.connect = (options: ConnectOptions) => this.#connect(options)
    tls.createServer = () => new MemoryTlsServer(this.network)
  }

  restore(): void {
    Object.assign(tls, this.#original)
  }

  #create(own: X509Certificate, peer: X509Certificate): MemoryTlsSocket {
    const socket = new MemoryTlsSocket(own, peer)
    this.#onSocket(socket)
    return socket
  }

  #connect({ port, servername = '', onread }: ConnectOptions): SimulatedSocket {
    const socket = this.#create(this.#client, this.#server)
    socket.onread = onread ?? null
    socket.onSecured = () => {
      socket.emit('connect')
      socket.emit('secureConnect')
    }
    this.onDial(servername, port)
    this.network.dial(port, socket)
    return socket
  }
}
