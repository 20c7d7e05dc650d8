import { expect } from 'chai'
import type {
  CloseInfo,
  Connection,
  ConnectionOptions,
  TokenClient,
  TokenErrorCode,
  TokenServerOptions
} from '../../lib'
import { TokenError, TokenServer } from '../../lib'

/** Is compiled and never called: a directive that is not needed any more breaks the build. */
function mustNotCompile(connection: Connection, server: TokenServer, client: TokenClient, info: CloseInfo) {
  // @ts-expect-error a token is bytes: a string has no single encoding
  connection.send('hello')
  // @ts-expect-error a token is bytes: the views of larger numbers depend on the machine's byte order
  connection.send(new Uint16Array(2))
  // @ts-expect-error a token arrives as a Buffer
  connection.on('token', (token: string) => token)
  // @ts-expect-error a typing error in the name of an event is found by the compiler
  connection.on('tokens', () => {})
  // @ts-expect-error `close` first says whether there was an error, then how it ended
  connection.on('close', (reason: CloseInfo) => reason)
  // @ts-expect-error only the server hands the connection to `token`: a Connection's listener has it already
  connection.on('token', (token: Buffer, from: Connection) => [token, from])
  // @ts-expect-error a `connect` listener gets nothing
  client.on('connect', (connected: Connection) => connected)
  // @ts-expect-error a refusal is told by the server only
  client.on('refused', () => {})
  // @ts-expect-error whether it is dead is for the connection to say
  connection.isDead = true
  // @ts-expect-error what became of the tokens is past: it can't be changed
  info.unsent = 0
  // @ts-expect-error a timeout is a number of milliseconds
  connection.close({ timeout: '10s' })
  // @ts-expect-error a typing error in an option is found by the compiler
  const misspelt: ConnectionOptions = { maxTokenLenght: 5 }
  // @ts-expect-error ALPN is token-server's own: another list would speak another protocol
  const alpn: TokenServerOptions = { port: 0, ALPNProtocols: ['h2'] }
  // @ts-expect-error there are two protocols
  const protocol: TokenServerOptions = { port: 0, protocol: 'token/3' }
  // @ts-expect-error a fate is told by a promise: it is no boolean
  const isDelivered: boolean = connection.deliver(Buffer.from('a'))
  // @ts-expect-error a client is asked to go for a reason of the wire
  connection.goaway({ code: 'ERR_SOCKET', retryAfter: 0, reason: '' })
  // @ts-expect-error `authorize` says yes, no, or no with a reason
  const authorize: TokenServerOptions = { port: 0, authorize: () => 'yes' }
  // @ts-expect-error the list of codes is closed
  const error = new TokenError('ERR_UNKNOWN', 'x')
  // @ts-expect-error the connections of a server are a view: taking one out would not close it
  server.connections.clear()
  return [misspelt, alpn, error, protocol, isDelivered, authorize]
}

function mustCompile(connection: Connection, server: TokenServer, client: TokenClient) {
  connection.send(Buffer.from('a'))
  connection.send(new Uint8Array(1))
  connection.on('token', token => token.readUInt8())
  connection.on('close', (hadError, info) => [hadError === true, info.code.length, info.error?.code])
  connection.close({ timeout: undefined })
  void connection.deliver(Buffer.from('a'), { timeout: 5, signal: AbortSignal.timeout(5) })
  connection.on('goaway', ({ code, retryAfter, reason }) => [code === 'drain', retryAfter + 1, reason.length])
  connection.on('undeliverable', token => token.byteLength)
  server.on('token', (token, from) => from.send(token))
  server.on('connection', one => one.on('error', error => error.code))
  client.on('token', (token, from) => from.send(token))
  const options: ConnectionOptions = { idleTimeout: undefined, frameTimeout: Infinity }
  return options
}

interface User {
  readonly name: string
}

/** Is compiled and never called, as the two above. */
function dataHasItsType(server: TokenServer<User>, client: TokenClient<User>, untyped: Connection) {
  const made = new TokenServer<User>({
    port: 0,
    authorize: (peer, connection) => {
      connection.data = { name: peer?.subject ?? '' }
      // @ts-expect-error it has the type that the server says
      connection.data = 5
      return true
    }
  })
  server.on('connection', connection => connection.data?.name.length)
  server.on('token', (_token, connection) => connection.data?.name.length)
  client.on('token', (_token, connection) => connection.data?.name.length)
  server.handle((_token, connection) => Buffer.from(connection.data?.name ?? ''))
  client.handle((_token, connection) => Buffer.from(connection.data?.name ?? ''))
  server.on('handlerError', (_error, connection) => connection.data?.name.length)
  client.on('handlerError', (_error, connection) => connection.data?.name.length)
  for (const { data } of server.connections) data?.name.length
  const loop = async () => {
    for await (const { data } of server) data?.name.length
  }
  const { taken, refused } = server.broadcast(Buffer.from('a'), {
    filter: ({ data }) => data?.name === 'ann'
  })
  client.connection?.data?.name.length
  // @ts-expect-error it is undefined until it is set
  client.connection?.data.name.length
  untyped.data = 5
  // @ts-expect-error without a type nothing is known of it
  untyped.data.name.length
  // @ts-expect-error the name of a connection stays
  untyped.id = 'c1'
  // A function for any server or connection takes those with a type.
  const forAny = (some: TokenServer, one: Connection) => [some, one]
  return [made, loop, taken + refused, client.connection && forAny(server, client.connection)]
}

/** Narrows by `switch`, and the compiler knows when a code was forgotten in a Record. */
function isWorthARetry(info: CloseInfo): boolean {
  switch (info.code) {
    case 'normal':
    case 'shutdown':
      return false
    case 'ERR_CONNECT':
    case 'ERR_SOCKET':
      return true
    default: {
      const code: TokenErrorCode = info.code
      return code === 'ERR_CONNECT_TIMEOUT'
    }
  }
}

describe('types', () => {
  it('refuse what can not work, each for its reason (checked by the compiler)', () => {
    expect(
      [mustNotCompile, mustCompile, dataHasItsType].every(check => typeof check === 'function')
    ).to.equal(true)
  })

  it('narrow the code of a close', () => {
    const info = { hadError: false, error: null, unsent: 0, unconfirmed: 0, undeliveredBytes: 0 }
    expect(isWorthARetry({ ...info, code: 'normal' })).to.equal(false)
    expect(isWorthARetry({ ...info, code: 'ERR_SOCKET' })).to.equal(true)
    expect(isWorthARetry({ ...info, code: 'ERR_CONNECT_TIMEOUT' })).to.equal(true)
  })
})
