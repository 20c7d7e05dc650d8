/**
 * Who takes part. A contender's file gives
 *
 * - `listen(setting, onChannel)` → `{ port, close }`
 * - `connect(setting, port)` → a channel
 *
 * and a channel is `{ send(message), close(), onmessage, ondrain }`: `send` always takes the message, and says false
 * when the next one should wait for `ondrain`. With `settled` a turn ends when that promise has resolved.
 *
 * `isRaw`: bytes without messages. `isSingle`: one connection only. `isWasteful`: leaves more garbage than it has
 * time to collect. `variant`: how its file shall behave.
 */
export const CONTENDERS = {
  'ours-2': { title: 'token-server, token/2', file: 'ours', variant: { protocol: 'token/2' }, isOurs: true },
  'ours-1': { title: 'token-server, token/1', file: 'ours', variant: { protocol: 'token/1' }, isOurs: true },
  'raw-tls': { title: 'raw tls', file: 'raw', isRaw: true },
  'raw-net': { title: 'raw net (no TLS)', file: 'raw', variant: { isPlain: true }, isRaw: true },
  ws: { title: 'ws with bufferutil', file: 'ws' },
  'ws-js': { title: 'ws without bufferutil', file: 'ws', variant: { isPlain: true } },
  'frame-stream': { title: 'frame-stream', file: 'framed' },
  'length-prefixed-stream': {
    title: 'length-prefixed-stream',
    file: 'framed',
    variant: { isVarint: true }
  },
  'socket.io': { title: 'Socket.IO', file: 'socket-io' },
  grpc: { title: 'grpc-js', file: 'grpc' },
  nats: { title: 'NATS', file: 'nats' },
  zeromq: { title: 'zeromq CURVE', file: 'zeromq', isSingle: true },
  'token-server-1': {
    title: 'token-server 1.x',
    file: 'token-server-1',
    isWasteful: true
  }
}

/** Other ways to use what is above, each compared with it where that is what is measured. */
export const VARIANTS = {
  'ours-deliver': {
    title: 'token/2, deliver',
    file: 'ours',
    variant: { protocol: 'token/2', isDelivered: true },
    isOurs: true
  },
  'ours-session': {
    title: 'token/2, session',
    file: 'ours',
    variant: { protocol: 'token/2', session: true },
    isOurs: true
  },
  'ours-chunks': {
    title: 'token/2, chunks',
    file: 'ours',
    variant: { protocol: 'token/2', isChunked: true },
    isOurs: true
  },
  'raw-tls-small': {
    title: 'raw tls, a write each',
    file: 'raw',
    variant: { isSmall: true },
    isRaw: true,
    isSmall: true
  }
}

export function contender(name) {
  return CONTENDERS[name] ?? VARIANTS[name]
}

export async function load(name) {
  const { file, variant = {} } = contender(name)
  const { listen, connect } = await import(`./${file}.js`)
  return {
    listen: (setting, onChannel) => listen({ ...setting, variant }, onChannel),
    connect: (setting, port) => connect({ ...setting, variant }, port)
  }
}
