// Forked by tests with what to do, a port, the id of the device there and how many connections: clients that show no key. Sends how many
// of its connections were closed when it is asked.
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import { decodeControl, encodeControl } from '../../lib/wire/control'
import { decodeFrame, encodeFrame, type Frame, FrameKind, NO_SESSION } from '../../lib/wire/frame'

const [what, port, device, count] = process.argv.slice(2) as [string, string, string, string]
const AT_ONCE = 1_000
let closed = 0
let opened = 0

function joined(use: (socket: WebSocket, junk: Uint8Array) => void): void {
  opened++
  const socket = new WebSocket(`ws://127.0.0.1:${port}/remote`)
  socket.on('error', () => {})
  socket.on('close', () => {
    closed++
    // Whoever is cut comes again.
    setTimeout(() => joined(use), 20)
  })
  socket.on('open', () => socket.send(encodeControl({ do: 'join', device: '' })))
  socket.once('message', (data: Buffer) => {
    const welcome = decodeControl(decodeFrame(new Uint8Array(data)) as Frame)
    const client = welcome?.do === 'welcome' ? welcome.client : 'x'
    const header = { kind: FrameKind.sealed, device, client, key: '', session: NO_SESSION }
    use(socket, encodeFrame(header, new Uint8Array()))
  })
}

function flood(socket: WebSocket, junk: Uint8Array): void {
  if (socket.readyState !== WebSocket.OPEN) return
  if (socket.bufferedAmount < 1_000_000) for (let sent = 0; sent < AT_ONCE; sent++) socket.send(junk)
  setImmediate(flood, socket, junk)
}

const WAYS: Readonly<Record<string, () => void>> = {
  squat: () => joined(() => {}),
  flood: () => joined(flood),
  unread: () =>
    joined((socket, junk) => {
      socket.pause()
      flood(socket, junk)
    }),
  /** A request that does not end. */
  halves: () => {
    opened++
    const socket = connect(Number(port), '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nhost: x\r\n'))
    socket.on('error', () => {})
    socket.on('close', () => closed++)
  }
}

for (let index = 0; index < Number(count); index++) setTimeout(WAYS[what] as () => void, 2 * index)
process.on('message', () => process.send?.({ opened, closed }))
process.once('disconnect', () => process.exit())
