import { readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls'
import { generate } from 'mqtt-packet'

/** The types of MQTT packets, in the upper half of their first byte. */
export const CONNACK = 2
export const PUBLISH = 3
export const PUBACK = 4
export const PUBREC = 5
export const PUBREL = 6
export const PUBCOMP = 7
export const SUBACK = 9

/** Where a broker listens. */
export interface Target {
  readonly port: number
  /** The file of the authority: TLS. */
  readonly ca?: string
}

export interface Login {
  readonly clientId: string
  /** A JWT; undefined: the broker asks for none. */
  readonly token?: string | undefined
  /** The address to connect from: there is a bound on the connects of one. */
  readonly from: string
}

/** A packet that came: its first byte, and where in `bytes` stands what follows its length. */
export type OnPacket = (first: number, bytes: Buffer, start: number, end: number) => void

const KEPT_CONTEXTS = new Map<string, SecureContext>()

/** The bare minimum of an MQTT client: what it costs is taken from the broker on a machine with few cores. */
export class MqttConnection {
  readonly socket: Socket
  onPacket: OnPacket = () => undefined
  /** Is told why the connection is gone. */
  onClosed: (why: string) => void = () => undefined
  #rest: Buffer | undefined
  #why = 'the broker closed the connection'

  /** Rejects, in words, when the broker is not there or refuses. */
  static async open(target: Target, login: Login): Promise<MqttConnection> {
    const connection = new MqttConnection(target, login.from)
    const { clientId, token } = login
    const connect = generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clientId,
      clean: true,
      keepalive: 0,
      ...(token === undefined ? {} : { username: 'JWT', password: Buffer.from(token) })
    })
    const code = await connection.answerOf(connect, CONNACK, (bytes, start) => bytes[start + 1] as number)
    if (code !== 0) throw new Error(`it refused the connection by CONNACK ${code}`)
    return connection
  }

  private constructor({ port, ca }: Target, localAddress: string) {
    const to = { port, host: '127.0.0.1', localAddress }
    this.socket =
      ca === undefined
        ? connectTcp(to)
        : connectTls({ ...to, ...{ servername: 'localhost', secureContext: contextOf(ca) } })
    this.socket.setNoDelay(true)
    this.socket.on('error', error => {
      this.#why = error.message
    })
    this.socket.on('close', () => this.onClosed(this.#why))
    this.socket.on('data', bytes => this.#read(bytes))
  }

  /** Sends a packet, and takes the next of `type` as its answer. */
  answerOf<T>(
    packet: Buffer,
    type: number,
    read: (bytes: Buffer, start: number, end: number) => T
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.onClosed = why => reject(new Error(why))
      this.onPacket = (first, bytes, start, end) => {
        if (first >> 4 === type) resolve(read(bytes, start, end))
      }
      this.socket.write(packet)
    })
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    this.#rest = undefined
    let at = 0
    while (at < bytes.length) {
      let start = at + 1
      let length = 0
      let shift = 0
      let byte = 0x80
      while (byte >= 0x80 && start < bytes.length) {
        byte = bytes[start++] as number
        length |= (byte & 0x7f) << shift
        shift += 7
      }
      const end = start + length
      if (byte >= 0x80 || end > bytes.length) break
      this.onPacket(bytes[at] as number, bytes, start, end)
      at = end
    }
    if (at < bytes.length) this.#rest = bytes.subarray(at)
  }
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP. */
export function acknowledgement(type: number, id: number): Buffer {
  return Buffer.from([(type << 4) | (type === PUBREL ? 2 : 0), 2, id >> 8, id & 0xff])
}

/** One for all connections: making one takes longer than a handshake. */
function contextOf(ca: string): SecureContext {
  const kept = KEPT_CONTEXTS.get(ca)
  if (kept !== undefined) return kept
  const context = createSecureContext({ ca: readFileSync(ca), minVersion: 'TLSv1.3' })
  KEPT_CONTEXTS.set(ca, context)
  return context
}
