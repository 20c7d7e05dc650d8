import { once } from 'node:events'
import { Readable } from 'node:stream'
import { expect } from 'chai'
import type { Connection, FateReason, TokenClient, TokenError } from '../../lib'
import { controlOf } from '../../lib/connection/connection'
import {
  closesWhatItOpened,
  connectPair,
  freePort,
  makeClient,
  startServer,
  until
} from '../helpers/loopback'

const SMALL = { outboxBytes: 1_000, maxTokenLength: 400 }
const token = () => Buffer.from('token')

/** A client whose server takes nothing, and has no room for more: what it sends now waits. */
async function stuck(): Promise<TokenClient> {
  const { server } = await startServer({ receiveWindow: 1 })
  const { client } = await connectPair(server, { ...SMALL, heartbeat: 0 })
  client.send(token())
  await until(() => client.bufferedAmount === 0)
  return client
}

async function connected(over: Parameters<typeof connectPair>[1] = {}) {
  const { server } = await startServer({ session: true })
  return { server, ...(await connectPair(server, over)) }
}

/** A token has left, and nobody answers. */
async function departed(over: Parameters<typeof connectPair>[1] = {}) {
  const { client, server } = await connected(over)
  const promise = client.deliver(token())
  await until(() => client.bufferedAmount === 0)
  return { client, server, promise }
}

/** A session has lost its transport, and dials in vain. */
async function cut(over: Parameters<typeof connectPair>[1]): Promise<TokenClient> {
  const { client } = await connected(over)
  own(client).socket.destroy()
  await once(client, 'reconnecting')
  return client
}

const own = (client: TokenClient) => client.connection as Connection
const reason = new Error('not needed any more')

interface Situation {
  readonly is: string
  readonly code: 'ERR_NOT_SENT' | 'ERR_FATE_UNKNOWN' | 'ERR_HANDLER_FAILED'
  readonly reason: FateReason
  /** The code or the name of the cause; null for none. */
  readonly cause: string | null
  /** Rejects with what the delivery was told. */
  arrange(): Promise<unknown>
}

const SITUATIONS: readonly Situation[] = [
  {
    is: 'the timeout passes when the token has left',
    ...{ code: 'ERR_FATE_UNKNOWN', reason: 'timeout', cause: 'TimeoutError' },
    arrange: async () => (await connected()).client.deliver(token(), { timeout: 50 })
  },
  {
    is: 'the outbox of the connection is full',
    ...{ code: 'ERR_NOT_SENT', reason: 'outbox-full', cause: null },
    arrange: async () => {
      const client = await stuck()
      while (client.send(Buffer.alloc(300)));
      return client.deliver(Buffer.alloc(300), { timeout: 50 })
    }
  },
  {
    is: 'the outbox is full before there is a connection',
    ...{ code: 'ERR_NOT_SENT', reason: 'outbox-full', cause: null },
    arrange: async () => {
      const client = await makeClient(await freePort(), { ...SMALL, reconnect: true })
      while (client.send(Buffer.alloc(300)));
      return client.deliver(Buffer.alloc(300))
    }
  },
  {
    is: 'the timeout passes while the token waits behind others',
    ...{ code: 'ERR_NOT_SENT', reason: 'timeout', cause: 'TimeoutError' },
    arrange: async () => (await stuck()).deliver(token(), { timeout: 50 })
  },
  {
    is: 'the signal aborts while the token waits',
    ...{ code: 'ERR_NOT_SENT', reason: 'aborted', cause: 'TimeoutError' },
    arrange: async () => (await stuck()).deliver(token(), { signal: AbortSignal.timeout(50) })
  },
  {
    is: 'the signal has aborted before',
    ...{ code: 'ERR_NOT_SENT', reason: 'aborted', cause: reason.message },
    arrange: async () => (await connected()).client.deliver(token(), { signal: AbortSignal.abort(reason) })
  },
  {
    is: 'this side destroys the connection while the token waits',
    ...{ code: 'ERR_NOT_SENT', reason: 'destroyed', cause: 'ERR_ABORTED' },
    arrange: async () => {
      const client = await stuck()
      const promise = client.deliver(token())
      own(client).destroy()
      return promise
    }
  },
  {
    is: 'this side destroys the connection when the token has left',
    ...{ code: 'ERR_FATE_UNKNOWN', reason: 'destroyed', cause: 'ERR_ABORTED' },
    arrange: async () => {
      const { client, promise } = await departed()
      own(client).destroy()
      return promise
    }
  },
  {
    is: 'the client was closed before',
    ...{ code: 'ERR_NOT_SENT', reason: 'closed', cause: null },
    arrange: async () => {
      const { client } = await connected()
      client.close()
      await client.closed
      return client.deliver(token())
    }
  },
  {
    is: 'the client has ended before by an error',
    ...{ code: 'ERR_NOT_SENT', reason: 'closed', cause: 'ERR_CONNECT' },
    arrange: async () => {
      const client = await makeClient(await freePort(), { refusedRetryTimeout: 0 })
      await client.closed
      return client.deliver(token())
    }
  },
  {
    is: 'the client is closed and what waits can not leave in time',
    ...{ code: 'ERR_NOT_SENT', reason: 'close-timeout', cause: 'ERR_CLOSE_TIMEOUT' },
    arrange: async () => {
      const client = await makeClient(await freePort(), { reconnect: () => 60_000, refusedRetryTimeout: 0 })
      await once(client, 'reconnecting')
      const promise = client.deliver(token())
      client.close()
      return promise
    }
  },
  {
    is: 'no server is there, and the client dials on',
    ...{ code: 'ERR_NOT_SENT', reason: 'unreachable', cause: 'ERR_CONNECT' },
    arrange: async () => {
      const client = await makeClient(await freePort(), { reconnect: () => 5, refusedRetryTimeout: 0 })
      return client.deliver(token(), { timeout: 100 })
    }
  },
  {
    is: 'the session has lost its transport, and the client dials on',
    ...{ code: 'ERR_NOT_SENT', reason: 'unreachable', cause: 'ERR_SOCKET' },
    arrange: async () => {
      const client = await cut({ session: true, reconnect: () => 60_000 })
      return client.deliver(token(), { timeout: 50 })
    }
  },
  {
    is: 'no server is there, and the client has ended',
    ...{ code: 'ERR_NOT_SENT', reason: 'never-connected', cause: 'ERR_CONNECT' },
    arrange: async () => {
      const client = await makeClient(await freePort(), { refusedRetryTimeout: 0 })
      return client.deliver(token(), { timeout: 5_000 })
    }
  },
  {
    is: 'the server refuses the client, which dials on',
    ...{ code: 'ERR_NOT_SENT', reason: 'refused', cause: 'ERR_REFUSED' },
    arrange: async () => {
      const { port } = await startServer({ authorize: () => ({ reason: 'not today' }) })
      const client = await makeClient(port, { reconnect: true })
      const promise = client.deliver(token(), { timeout: 500 })
      await once(client, 'reconnecting')
      return promise
    }
  },
  {
    is: 'the server refuses the client, which has ended',
    ...{ code: 'ERR_NOT_SENT', reason: 'refused', cause: 'ERR_REFUSED' },
    arrange: async () => {
      const { port } = await startServer({ authorize: () => false })
      return (await makeClient(port)).deliver(token())
    }
  },
  {
    is: 'the connection breaks while the token waits',
    ...{ code: 'ERR_NOT_SENT', reason: 'connection-lost', cause: 'ERR_SOCKET' },
    arrange: async () => {
      const client = await stuck()
      const promise = client.deliver(token())
      own(client).socket.destroy()
      return promise
    }
  },
  {
    is: 'the connection breaks when the token has left',
    ...{ code: 'ERR_FATE_UNKNOWN', reason: 'connection-lost', cause: 'ERR_SOCKET' },
    arrange: async () => {
      const { client, promise } = await departed()
      own(client).socket.destroy()
      return promise
    }
  },
  {
    is: 'the session is lost when the token has left',
    ...{ code: 'ERR_FATE_UNKNOWN', reason: 'session-lost', cause: 'ERR_SESSION_LOST' },
    arrange: async () => {
      const { client, promise } = await departed({ session: true, reconnect: () => false })
      own(client).socket.destroy()
      return promise
    }
  },
  {
    is: 'the session is lost while the token waits',
    ...{ code: 'ERR_NOT_SENT', reason: 'session-lost', cause: 'ERR_SESSION_LOST' },
    arrange: async () => {
      const client = await cut({ session: { resumeTimeout: 50 }, reconnect: () => 60_000 })
      return client.deliver(token())
    }
  },
  {
    is: 'the server closes in order without having had the token, and the client does not go on',
    ...{ code: 'ERR_NOT_SENT', reason: 'peer-closed', cause: null },
    arrange: async () => {
      const { server, promise } = await departed()
      server.close()
      return promise
    }
  },
  {
    is: 'the peer has closed before',
    ...{ code: 'ERR_NOT_SENT', reason: 'peer-closed', cause: null },
    arrange: async () => {
      const { server, client } = await connected()
      const connection = own(client)
      server.close()
      await connection.closed
      return connection.deliver(token())
    }
  },
  {
    is: 'this side has ended its writing half',
    ...{ code: 'ERR_NOT_SENT', reason: 'closed', cause: null },
    arrange: async () => {
      const { client } = await connected()
      const connection = own(client)
      connection
        .stream()
        .on('error', () => {})
        .resume()
        .end()
      await until(() => connection.isDead)
      return connection.deliver(token())
    }
  },
  {
    is: 'a server drops the token of a slow client',
    ...{ code: 'ERR_NOT_SENT', reason: 'dropped', cause: null },
    arrange: async () => {
      const { server } = await startServer()
      const { connection } = await connectPair(server, { receiveWindow: 1 })
      connection.send(token())
      await until(() => connection.bufferedAmount === 0)
      const promise = connection.deliver(token())
      controlOf(connection).delivering.dropOldest(1)
      return promise
    }
  },
  {
    is: 'the stream of the token fails',
    ...{ code: 'ERR_NOT_SENT', reason: 'stream-failed', cause: reason.message },
    arrange: async () => {
      const { client } = await connected()
      const stream = new Readable({ read() {} })
      const promise = own(client).sendFrom(stream)
      stream.destroy(reason)
      return promise
    }
  },
  {
    is: 'the timeout of a stream passes before it has ended',
    ...{ code: 'ERR_NOT_SENT', reason: 'timeout', cause: 'TimeoutError' },
    arrange: async () =>
      own((await connected()).client).sendFrom(new Readable({ read() {} }), 10, { timeout: 50 })
  },
  {
    is: 'a session is cut in the middle of a stream',
    ...{ code: 'ERR_NOT_SENT', reason: 'stream-cut', cause: 'ERR_SOCKET' },
    arrange: async () => {
      const { client } = await connected({ session: true })
      const stream = new Readable({ read() {} })
      const connection = own(client)
      const promise = connection.sendFrom(stream)
      stream.push(Buffer.alloc(100_000))
      await until(() => stream.readableLength === 0 && connection.bufferedAmount === 0)
      connection.socket.destroy()
      return promise
    }
  },
  {
    is: 'as many requests wait as may',
    ...{ code: 'ERR_NOT_SENT', reason: 'too-many-requests', cause: null },
    arrange: async () => {
      const { client, server } = await connected({ maxPendingRequests: 1 })
      server.handle(() => new Promise<void>(() => {}))
      client.request(Buffer.from('a')).catch(() => {})
      return client.request(Buffer.from('b'))
    }
  },
  {
    is: 'the handler of the other side throws',
    ...{ code: 'ERR_HANDLER_FAILED', reason: 'handler-failed', cause: null },
    arrange: async () => {
      const { client, server } = await connected({})
      server.handle(() => Promise.reject(new Error('no')))
      return client.deliver(Buffer.from('a'))
    }
  },
  {
    is: 'the answer of the other side is too long',
    ...{ code: 'ERR_HANDLER_FAILED', reason: 'answer-too-large', cause: null },
    arrange: async () => {
      const { client, server } = await connected({ maxTokenLength: 10 })
      server.handle(() => Buffer.alloc(11))
      return client.request(Buffer.from('a'))
    }
  },
  {
    is: 'the memory of the token is taken away while it waits for a connection',
    ...{ code: 'ERR_NOT_SENT', reason: 'memory-lost', cause: 'ERR_DETACHED' },
    arrange: async () => {
      const { port } = await startServer()
      const client = await makeClient(port)
      const bytes = new Uint8Array(10)
      const promise = client.deliver(bytes)
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
      return promise
    }
  }
]

describe('a rejected delivery says why, and what is behind it, when', () => {
  closesWhatItOpened()

  for (const { is, code, reason: expected, cause, arrange } of SITUATIONS) {
    it(`${is}: ${code}, ${expected}`, async () => {
      const error: TokenError = await arrange().then(
        () => expect.fail('it was delivered'),
        error => error
      )
      const behind = error.cause as (TokenError & { name: string }) | undefined
      const shown = behind === undefined ? null : (codeOrName(behind) ?? behind.message)
      expect([error.code, error.reason, shown], error.stack).to.deep.equal([code, expected, cause])
    })
  }

  it('covers every reason', () => {
    const reasons: FateReason[] = [
      ...([
        'aborted',
        'answer-too-large',
        'close-timeout',
        'closed',
        'connection-lost',
        'destroyed'
      ] as const),
      ...(['dropped', 'handler-failed', 'memory-lost', 'never-connected', 'outbox-full'] as const),
      ...(['peer-closed', 'refused', 'session-lost', 'stream-cut', 'stream-failed', 'timeout'] as const),
      ...(['too-many-requests', 'unreachable'] as const)
    ]
    expect([...new Set(SITUATIONS.map(situation => situation.reason))].sort()).to.deep.equal(reasons)
  })
})

function codeOrName({ code, name }: { code?: unknown; name: string }): string | null {
  if (typeof code === 'string') return code
  return name === 'Error' ? null : name
}
