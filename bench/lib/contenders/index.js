import { goPeer } from './go/build.js'

/**
 * Who takes part. Each has a process for the server's side and one for the client's, which run side.js with the
 * contender's `file`, and that gives
 *
 * - `listen(setting, onChannel)` → `{ port }`
 * - `connect(setting, port)` → a channel
 *
 * and a channel is `{ send(message), onmessage, ondrain }`: `send` always takes the message, and says false when the
 * next one should wait for `ondrain`. With `settled` a turn ends when that promise has resolved. Nothing is closed:
 * the processes end with their stage.
 *
 * A contender whose library has calls with answers of its own, the `variant` `isAsked`, has them behind the same channel:
 * on the asking side `send` makes a call, and its answer is the message that comes; on the other side the message that
 * comes is a call, and the next `send` answers it.
 *
 * `isRaw`: bytes without messages. `isSingle`: one connection only. `isOneWay`: takes part in the one-way rows only.
 * `needsBroker`: of NATS. `variant`: how its file shall behave. `build()` → `{ command, version }`: a program that is
 * run instead of side.js and answers the same calls.
 */
export const CONTENDERS = {
  'ours-2': {
    title: 'token-server, token/2',
    file: './ours.js',
    variant: { protocol: 'token/2' },
    isOurs: true
  },
  'ours-1': {
    title: 'token-server, token/1',
    file: './ours.js',
    variant: { protocol: 'token/1' },
    isOurs: true
  },
  'raw-tls': { title: 'raw tls', file: './raw.js', isRaw: true },
  'raw-net': { title: 'raw net (no TLS)', file: './raw.js', variant: { isPlain: true }, isRaw: true },
  go: { title: 'Go, crypto/tls and bufio', build: goPeer, isOneWay: true },
  ws: { title: 'ws with bufferutil', file: './ws.js' },
  'ws-js': { title: 'ws without bufferutil', file: './ws.js', variant: { isPlain: true } },
  'frame-stream': { title: 'frame-stream', file: './framed.js' },
  'length-prefixed-stream': {
    title: 'length-prefixed-stream',
    file: './framed.js',
    variant: { isVarint: true }
  },
  'socket.io': { title: 'Socket.IO', file: './socket-io.js' },
  grpc: { title: 'grpc-js', file: './grpc.js' },
  nats: { title: 'NATS', file: './nats.js', needsBroker: true },
  zeromq: { title: 'zeromq CURVE', file: './zeromq.js', isSingle: true },
  'token-server-1': { title: 'token-server 1.x', file: './token-server-1.js' }
}

/** Other ways to use what is above, each compared with it where that is what is measured. */
export const VARIANTS = {
  'ours-deliver': {
    title: 'token/2, deliver',
    file: './ours.js',
    variant: { protocol: 'token/2', isDelivered: true },
    isOurs: true
  },
  'ours-session': {
    title: 'token/2, session',
    file: './ours.js',
    variant: { protocol: 'token/2', session: true },
    isOurs: true
  },
  'ours-chunks': {
    title: 'token/2, chunks',
    file: './ours.js',
    variant: { protocol: 'token/2', isChunked: true },
    isOurs: true
  },
  'raw-tls-small': {
    title: 'raw tls, a write each',
    file: './raw.js',
    variant: { isSmall: true },
    isRaw: true,
    isSmall: true
  },
  'ours-request': {
    title: 'token/2, request and handle',
    file: './ours.js',
    variant: { protocol: 'token/2', isAsked: true },
    isOurs: true
  },
  'socket.io-ack': { title: 'Socket.IO, emitWithAck', file: './socket-io.js', variant: { isAsked: true } },
  'grpc-unary': { title: 'grpc-js, unary calls', file: './grpc.js', variant: { isAsked: true } },
  'nats-request': {
    title: 'NATS, request',
    file: './nats.js',
    variant: { isAsked: true },
    needsBroker: true
  },
  idle: { title: 'idle', isIdle: true }
}

/** Ways to connect again and again, by their names in handshakes.js. */
const HANDSHAKES = {
  'tls-full': { title: 'tls.connect, full', way: 'tls-full' },
  'tls-resumed': { title: 'tls.connect, resumed, one context', way: 'tls-resumed' },
  'ours-full': { title: 'new TokenClient, full', way: 'ours-full', isOurs: true },
  'ours-resumed': { title: 'TokenClient again, resumed', way: 'ours-resumed', isOurs: true }
}

export const EVERYBODY = { ...CONTENDERS, ...VARIANTS, ...HANDSHAKES }
