import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenError } from '../../lib'
import { leastGrowth } from '../helpers/fault-program'
import { figures, isLong, MIB } from '../helpers/figures'
import { closesWhatItOpened, makeClient, startServer } from '../helpers/loopback'
import { escapedDuring } from '../helpers/moments'
import { checkErrors } from '../helpers/secrets'

const TOKENS = isLong ? 200_000 : 10_000

const thrown = (): Error => Object.assign(new Error('secret'), { expose: false })

/** What can't be looked at. */
const hostile = (name: string) =>
  Object.defineProperty({}, name, {
    get() {
      throw new Error('looked at')
    }
  })

const WAYS: Record<string, () => unknown> = {
  'an error': () => {
    throw thrown()
  },
  'a rejection': () => Promise.reject(thrown()),
  'an error after a turn': async () => {
    await new Promise(setImmediate)
    throw thrown()
  },
  null: () => {
    throw null
  },
  undefined: () => Promise.reject(undefined),
  'a frozen object': () => {
    throw Object.freeze({ expose: true, message: 5 })
  },
  'an error whose `expose` throws': () => {
    throw hostile('expose')
  },
  'an error whose `message` throws': () =>
    Promise.reject(Object.assign(hostile('message'), { expose: true })),
  'an error with a message of 10 MiB': () => {
    throw Object.assign(new Error('é'.repeat(5 * MIB)), { expose: true })
  },
  'an answer whose `then` throws': () => hostile('then'),
  'an answer that is no bytes': () => 'text'
}

describe('H1 a handler that throws', () => {
  closesWhatItOpened()

  for (const [what, way] of Object.entries(WAYS)) {
    it(`H1 ${what}: the token fails alone, both sides know, and the connection goes on`, async () => {
      const escaped = await escapedDuring(async () => {
        const { server, port } = await startServer()
        const errors: unknown[] = []
        server.on('handlerError', error => errors.push(error))
        server.handle(token => (String(token) === 'bad' ? (way() as never) : token))
        const client = await makeClient(port)
        const fates = await Promise.all(
          ['good', 'bad', 'good'].map(text => client.request(Buffer.from(text)).then(String, codeOf))
        )
        expect(fates).to.deep.equal(['good', 'ERR_HANDLER_FAILED', 'good'])
        expect(errors).to.have.length(1)
        expect(client.connection?.isOpen).to.equal(true)
      })
      expect(escaped).to.deep.equal({ uncaught: [], unhandled: [] })
    })
  }

  it(`H1 ${TOKENS} in a row: each promise is rejected, nothing escapes, and nothing stays in memory`, async function () {
    this.timeout(300_000)
    const escaped = await escapedDuring(async () => {
      const { server, port } = await startServer()
      const ways = [WAYS['an error'], WAYS['a rejection'], WAYS.null, WAYS['an answer whose `then` throws']]
      let handled = 0
      server.handle(() => ways[handled++ % ways.length]?.() as never, { concurrency: 100 })
      const accepted = once(server, 'connection')
      const client = await makeClient(port)
      const [connection] = (await accepted) as [Connection]
      const fail = async (times: number) => {
        const codes = new Set<string>()
        for (let said = 0; said < times; said += 500) {
          const promises = Array.from({ length: 500 }, (_, i) => {
            const token = Buffer.from(`${said + i}`)
            return (i % 2 === 0 ? client.deliver(token) : client.request(token)).then(() => 'done', codeOf)
          })
          for (const code of await Promise.all(promises)) codes.add(code)
        }
        return [...codes]
      }
      await fail(2_000)
      const grown = await leastGrowth(async () => {
        expect(await fail(TOKENS / 4)).to.deep.equal(['ERR_HANDLER_FAILED'])
        // The tests keep each error until it has been searched for keys.
        checkErrors()
      })
      figures(`${(grown / MIB).toFixed(1)} MiB`)
      expect(grown).to.be.below(2 * MIB)
      expect([connection.isOpen, connection.bufferedAmount, handled]).to.deep.equal([true, 0, TOKENS + 2_000])
    })
    expect(escaped).to.deep.equal({ uncaught: [], unhandled: [] })
  })

  const codeOf = (error: TokenError) => error.code
})
