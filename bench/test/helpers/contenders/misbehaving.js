import { once } from 'node:events'
import { writeSync } from 'node:fs'
import net from 'node:net'

/** Bytes over plain TCP, and in `variant.fault` what goes wrong. */
export async function listen({ variant }, onChannel) {
  if (variant.fault === 'listen never ends') await never()
  if (variant.fault === 'listen throws') throw new Error('the port is mine')
  const server = net.createServer(socket => onChannel(channelOf(socket, variant)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: server.address().port }
}

export async function connect({ variant }, port) {
  if (variant.fault === 'connect never ends') await never()
  if (variant.fault === 'connect exits') process.exit(4)
  const socket = net.connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  return channelOf(socket, variant)
}

function never() {
  return new Promise(() => {})
}

function channelOf(socket, { fault, when = 3 }) {
  let left = when
  const misbehave = faults[fault] ?? (() => {})
  const channel = {
    onmessage: null,
    ondrain: null,
    cipher: null,
    send: message => (--left === 0 ? misbehave(socket, message) : undefined) ?? socket.write(message)
  }
  socket.on('data', chunk => channel.onmessage(chunk))
  socket.on('drain', () => {
    if (fault !== 'never drains') channel.ondrain?.()
  })
  socket.on('error', () => {})
  return channel
}

/** What the `when`-th `send` does. @returns what `send` returns when the message is dealt with, else nothing */
const faults = {
  'never drains': (socket, message) => {
    socket.write(message)
    return false
  },
  spins: () => {
    for (;;);
  },
  exits: () => process.exit(3),
  'is killed': () => process.kill(process.pid, 'SIGKILL'),
  throws: () => {
    throw new Error('send is tired')
  },
  'throws later': () => {
    setImmediate(() => {
      throw new Error('too late to catch')
    })
  },
  rejects: () => {
    void Promise.reject(new Error('nobody awaits this'))
  },
  loses: () => true,
  changes: (socket, message) => {
    socket.write(Buffer.alloc(message.length))
    return true
  },
  closes: socket => {
    socket.destroy()
    return true
  },
  'prints and answers nonsense': () => {
    console.log('a peer prints what it likes')
    writeSync(3, 'no JSON\n')
  },
  'never ends': () => {
    process.once('exit', () => {
      for (;;);
    })
  }
}
