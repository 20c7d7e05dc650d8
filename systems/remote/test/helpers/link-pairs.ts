import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { certificates, makeServer, onCleanUp, portOf } from '@token-server/test-helpers'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Link } from '../../lib/link/link'
import { NUMBER_LENGTH } from '../../lib/transport/frame-order'
import { LINK_LIMITS, type LinkLimits } from '../../lib/transport/link-limits'
import { dialTokens, TokenServerLink } from '../../lib/transport/node-token-link'
import { dialWebSocket, NodeWebSocketLink } from '../../lib/transport/node-web-socket'
import { type WebSocketLike, WebSocketLink } from '../../lib/transport/web-socket-link'

export interface LinkPair {
  /** Of the side that dialled. */
  readonly client: Link
  readonly server: Link
  readonly port: number
}

export const LINK_KINDS = {
  'WebSocket, the package ws': (limits?: Partial<LinkLimits>) => webSocketPair(limits),
  'WebSocket, by what browsers have of it too': (limits?: Partial<LinkLimits>) => webSocketPair(limits, true),
  tokens: (limits?: Partial<LinkLimits>) => tokenPair(limits)
}

async function webSocketPair(limits?: Partial<LinkLimits>, isPlain = false): Promise<LinkPair> {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    perMessageDeflate: false,
    maxPayload: limits?.maxFrameBytes ?? LINK_LIMITS.maxFrameBytes
  })
  await once(server, 'listening')
  onCleanUp(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const accepted = once(server, 'connection')
  const dialled = dialWebSocket(`ws://127.0.0.1:${port}/remote`, { limits })
  const [socket] = (await accepted) as [WebSocket]
  const link = isPlain
    ? new WebSocketLink(socket as WebSocketLike, limits)
    : new NodeWebSocketLink(socket, limits)
  return { client: await dialled, server: link, port }
}

/** @param isTrusted whether the side that was dialled knows who dialled */
export async function tokenPair(limits?: Partial<LinkLimits>, isTrusted = true): Promise<LinkPair> {
  const server = await makeServer({
    maxTokenLength: (limits?.maxFrameBytes ?? LINK_LIMITS.maxFrameBytes) + NUMBER_LENGTH,
    highWaterMark: limits?.highWaterBytes ?? LINK_LIMITS.highWaterBytes
  })
  await server.ready
  const port = portOf(server)
  const accepted = new Promise<TokenServerLink>(resolve =>
    server.once('connection', connection => {
      const accepted = new TokenServerLink(connection, limits)
      if (isTrusted) accepted.trust()
      resolve(accepted)
    })
  )
  const { ca, client } = await certificates()
  const link = await dialTokens({ host: '127.0.0.1', port }, { tls: { ca, ...client }, limits })
  onCleanUp(() => link.close())
  return { client: link, server: await accepted, port }
}

/** Resolves with the next frames that come to the link. */
export function framesOf(link: Link, count: number): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = []
  return new Promise((resolve, reject) => {
    link.onClose = ({ reason }) => reject(new Error(reason))
    link.onFrame = frame => {
      if (frames.push(frame) === count) resolve(frames)
    }
  })
}
