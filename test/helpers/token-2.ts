import type { Duplex } from 'node:stream'
import { Connection, type ConnectionContext } from '../../lib/connection/connection'
import type { ConnectionOptions, ProtocolOptions } from '../../lib/options/connection-options'
import { type Link, type MemoryPairOptions, memoryPair } from '../../lib/testing'
import { type ControlFrame, decodeControl, encodeControl } from '../../lib/wire/control-frame'
import { Demultiplexer } from '../../lib/wire/demultiplexer'
import { FEATURE_ACK, FEATURE_END, type Hello, type Role } from '../../lib/wire/hello'
import { frame } from './bytes'
import { settled } from './moments'

type Options = ConnectionOptions & ProtocolOptions

const opened: Duplex[] = []

/** For `afterEach`: destroys both ends of what was opened here. */
export async function destroyTransports(): Promise<void> {
  for (const socket of opened.splice(0)) {
    socket.on('error', () => {})
    socket.destroy()
  }
  await settled()
}

function transport(options?: MemoryPairOptions) {
  const { a, b, link } = memoryPair(options)
  opened.push(a, b)
  return { a, b, link }
}

/** What two connections of token/2 may be made of. */
export interface PairOptions {
  readonly both?: Options
  readonly client?: Options
  readonly server?: Options
  /** Of the server's side. */
  readonly context?: ConnectionContext
  readonly transport?: MemoryPairOptions
}

export interface Token2Pair {
  readonly client: Connection
  readonly server: Connection
  /** `aToB` is from the client to the server. */
  readonly link: Link
}

/** Two connections of token/2 over memory, which have not greeted each other yet. */
export function token2Pair(options: PairOptions = {}): Token2Pair {
  const { a, b, link } = transport(options.transport)
  const client = new Connection(a, {
    protocol: 'token/2',
    role: 'client',
    ...options.both,
    ...options.client
  })
  const server = new Connection(
    b,
    { protocol: 'token/2', role: 'server', ...options.both, ...options.server },
    options.context
  )
  return { client, server, link }
}

/** The same, open. */
export async function openPair(options?: PairOptions): Promise<Token2Pair> {
  const pair = token2Pair(options)
  await settled()
  if (!pair.client.isOpen || !pair.server.isOpen) throw new Error('the pair did not open')
  return pair
}

/** The HELLO of a peer that is made by hand. */
export function helloFrom(role: Role, changes: Partial<Hello> = {}): ControlFrame {
  return {
    type: 'hello',
    role,
    features: FEATURE_ACK | FEATURE_END,
    maxTokenLength: 8_388_608,
    heartbeat: 0,
    receiveWindow: 1_048_576,
    fingerprint: Buffer.alloc(32),
    session: null,
    ...changes
  }
}

/** A frame as the bare peer saw it: a token as its text, a control frame with its fields. */
export type Seen = string | { readonly type: string; readonly [field: string]: unknown }

/** A connection of token/2, and the bare other end, which reads and writes frame by frame. */
export class BarePeer {
  readonly connection: Connection
  readonly socket: Duplex
  readonly link: Link
  /** Everything that the connection has sent, HELLO as `{ type: 'hello', role }`. */
  readonly seen: Seen[] = []
  hasEnded = false
  /** The last event of the connection, as a line. */
  readonly log: string[] = []

  constructor(role: Role, options: Options = {}, context?: ConnectionContext) {
    const { a, b, link } = transport()
    this.link = link
    this.socket = b
    /** Bytes that are missing of each data frame begun or announced. */
    const missing: number[] = []
    let pieces: Buffer[] = []
    const demultiplexer = new Demultiplexer({
      onFrame: length => {
        missing.push(length + 4)
        return null
      },
      onData: run => {
        for (let rest = run; rest.length > 0; ) {
          const piece = rest.subarray(0, missing[0])
          rest = rest.subarray(piece.length)
          pieces.push(piece)
          missing[0] = (missing[0] as number) - piece.length
          if (missing[0] > 0) return
          missing.shift()
          const token = Buffer.concat(pieces).subarray(4)
          pieces = []
          this.seen.push(token.length > 100 ? `token of ${token.length}` : String(token))
        }
      },
      onControl: body => {
        const frame = decodeControl(body)
        if (frame === null) this.seen.push({ type: 'ignored' })
        else if (frame.type === 'hello') this.seen.push({ type: 'hello', role: frame.role })
        else this.seen.push({ ...frame })
      }
    })
    b.on('data', (chunk: Buffer) => demultiplexer.push(chunk))
    b.on('end', () => {
      this.hasEnded = true
    })
    b.on('error', () => {})
    const base = { protocol: 'token/2', role, heartbeat: 0 } as const
    this.connection = new Connection(a, { ...base, ...options }, context)
    this.connection.on('open', () => this.log.push('open'))
    this.connection.on('close', (_hadError, info) =>
      this.log.push(info.error?.closeCode ? `${info.code} ${info.error.closeCode}` : info.code)
    )
  }

  /** Writes control frames, tokens (strings) and bytes in one piece, and waits for what comes of it. */
  async say(...what: (ControlFrame | string | Buffer)[]): Promise<void> {
    const bytes = what.map(one => {
      if (Buffer.isBuffer(one)) return one
      return typeof one === 'string' ? frame(one) : encodeControl(one)
    })
    this.socket.write(Buffer.concat(bytes))
    await settled()
  }

  /** What was seen but HELLO and, unless asked for, what is said of counts. */
  frames(withCounts = false): Seen[] {
    const hidden = withCounts ? ['hello'] : ['hello', 'window', 'ack']
    return this.seen.filter(one => typeof one === 'string' || !hidden.includes(one.type as string))
  }
}

/** A peer that has greeted the connection and was greeted. */
export async function greeted(
  role: Role,
  options?: Options,
  context?: ConnectionContext,
  hello?: Partial<Hello>
): Promise<BarePeer> {
  const peer = new BarePeer(role, options, context)
  await peer.say(helloFrom(role === 'client' ? 'server' : 'client', hello))
  return peer
}

export function close(code = 0, handed = 0, reason = ''): ControlFrame {
  return { type: 'close', code, handed, reason }
}

export const OPAQUE = Buffer.from('01020304050607ff', 'hex')
