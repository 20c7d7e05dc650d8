import { once } from 'node:events'
import { createServer } from 'node:https'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Client } from '../lib/doors/node-client'
import { Server } from '../lib/server/server'

export interface Credentials {
  readonly ca: string
  readonly key: string
  readonly cert: string
}

/** Asks, and is answered with the same. */
export type Ask = (payload: unknown) => Promise<unknown>

export interface Contender {
  readonly words: string
  listen(credentials: Credentials): Promise<number>
  connect(port: number, credentials: Credentials): Promise<Ask>
}

/** The peers are not ours to install: those of the benchmark of the library are taken. */
const requirePeer = createRequire(join(__dirname, '../../../../bench/package.json'))

const KEY = 'mQ3vbTd0pV1uZ0h5X1cT8yq6wLr2nS4eK7jF9aG3bHc'

/** @param sealed '' for the empty key, which shows what sealing costs */
const ours = (scheme: string, sealed = KEY): Contender => ({
  words: `${sealed === '' ? 'in clear' : 'sealed'}, ${scheme}`,
  async listen({ key, cert }) {
    const server = new Server({ allowPlain: sealed === '' })
    const { port } = await server.host(({ payload }) => payload, sealed, { port: 0, tls: { key, cert } })
    return port
  },
  async connect(port, { ca }) {
    const client = new Client({ tls: { ca }, allowPlain: sealed === '' })
    await client.connect(`${scheme}://127.0.0.1:${port}`, sealed)
    return payload => client.send('ask', payload)
  }
})

export const contenders: Readonly<Record<string, Contender>> = {
  tokens: ours('tokens'),
  wss: ours('wss'),
  'tokens-clear': ours('tokens', ''),
  'wss-clear': ours('wss', ''),
  'socket.io': {
    words: 'Socket.IO, emitWithAck, in clear over TLS',
    async listen({ key, cert }) {
      const { Server: SocketServer } = requirePeer('socket.io')
      const https = createServer({ key, cert, minVersion: 'TLSv1.3' })
      const server = new SocketServer(https, {
        transports: ['websocket'],
        serveClient: false,
        perMessageDeflate: false,
        httpCompression: false
      })
      server.on('connection', (socket: { on(event: string, listener: unknown): void }) => {
        socket.on('ask', (payload: unknown, answer: (payload: unknown) => void) => answer(payload))
      })
      https.listen(0, '127.0.0.1')
      await once(https, 'listening')
      return (https.address() as AddressInfo).port
    },
    async connect(port, { ca }) {
      const { io } = requirePeer('socket.io-client')
      const socket = io(`https://127.0.0.1:${port}`, {
        ca,
        transports: ['websocket'],
        forceNew: true,
        reconnection: false,
        perMessageDeflate: false
      })
      await new Promise((resolve, reject) => {
        socket.once('connect', resolve)
        socket.once('connect_error', reject)
      })
      return payload => socket.emitWithAck('ask', payload)
    }
  }
}
