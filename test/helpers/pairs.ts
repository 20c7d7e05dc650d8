import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type ListenOptions, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex, duplexPair } from 'node:stream'
import { Connection } from '../../lib/connection/connection'
import type { ConnectionOptions } from '../../lib/options/connection-options'

const opened: Duplex[] = []

/** For `afterEach`: destroys what the functions of this file opened, and waits for it. */
export async function destroyPairs(): Promise<void> {
  await Promise.all(
    opened.splice(0).map(async socket => {
      if (socket.closed) return
      socket.on('error', () => {})
      const closed = once(socket, 'close')
      socket.destroy()
      await closed
    })
  )
}

export function memoryPair(): [Duplex, Duplex] {
  const pair = duplexPair() as [Duplex, Duplex]
  opened.push(...pair)
  return pair
}

/** Two ends of a TCP connection on loopback; nothing listens any more when it resolves. */
export function socketPair(): Promise<[Socket, Socket]> {
  return pairThrough({ host: '127.0.0.1', port: 0 })
}

/** Two ends of a Unix socket; its folder is gone when it resolves. */
export async function unixPair(): Promise<[Socket, Socket]> {
  const folder = await mkdtemp(join(tmpdir(), 'token-server-'))
  try {
    return await pairThrough({ path: join(folder, 'socket') })
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function pairThrough(where: ListenOptions): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(where)
  await once(server, 'listening')
  const address = server.address()
  const client = connect(
    typeof address === 'string'
      ? { path: address, allowHalfOpen: true }
      : { host: '127.0.0.1', port: address?.port as number, allowHalfOpen: true }
  )
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
    [Socket],
    unknown
  ]
  opened.push(client, accepted)
  server.close()
  return [client, accepted]
}

/** A connection, and the bare other end of its Duplex. */
export function connectionAndPeer(options?: ConnectionOptions): { connection: Connection; peer: Duplex } {
  const [socket, peer] = memoryPair()
  return { connection: new Connection(socket, options), peer }
}

export function connectionPair(options?: ConnectionOptions): [Connection, Connection] {
  const [a, b] = memoryPair()
  return [new Connection(a, options), new Connection(b, options)]
}

/** A Duplex that takes a write only when told to, and never has anything to read. */
export class HeldDuplex extends Duplex {
  readonly written: Buffer[] = []
  readonly held: ((error?: Error) => void)[] = []

  constructor() {
    super()
    opened.push(this)
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.written.push(chunk)
    this.held.push(done)
  }

  /** Takes the oldest write, or fails it. */
  release(error?: Error): void {
    this.held.shift()?.(error)
  }
}
