import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { generate, type IConnectPacket, type Packet } from 'mqtt-packet'

/** CONNECT with a token, as bytes. */
export function connectBytes(token: string, more: Partial<IConnectPacket> = {}): Buffer {
  return generate({
    cmd: 'connect',
    clientId: '',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    keepalive: 0,
    username: 'JWT',
    password: Buffer.from(token),
    ...more
  })
}

export function bytesOf(packet: Packet): Buffer {
  return generate(packet)
}

/** Writes CONNECT and waits for the first bytes, which begin with CONNACK. */
export async function logIn(socket: Socket, connect: Buffer): Promise<void> {
  socket.write(connect)
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  if (bytes[0] !== 0x20 || bytes[3] !== 0) throw new Error(`Not accepted: ${bytes.toString('hex')}`)
}

/** Until the socket is closed, by whatever end. What it receives is thrown away. */
export function ended(socket: Socket): Promise<void> {
  socket.resume()
  return new Promise(resolve => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })
}

export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}

/** Collects garbage and reads the memory that the process has. */
export function residentMiB(): number {
  collectGarbage()
  return process.memoryUsage.rss() / 2 ** 20
}
