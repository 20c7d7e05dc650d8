import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection } from '../../lib/connection/connection'
import { usesFakeClock } from '../helpers/fake-clock'
import { settled } from '../helpers/moments'
import { SessionPair, type SessionPairOptions } from '../helpers/session-pair'

describe('a session and its ends', () => {
  let pair: SessionPair

  const open = async (options?: SessionPairOptions) => {
    pair = await SessionPair.open(options)
    return pair
  }

  afterEach(() => pair.destroy())

  usesFakeClock()

  /** When a half-closed connection is cut: `both` means once more after the first resume. */
  const CUTS = ['never', 'once', 'twice', 'and the end comes while it waits'] as const

  describe('an end of one direction that a cut follows', () => {
    async function cut(how: (typeof CUTS)[number], meanwhile: () => unknown): Promise<void> {
      if (how === 'never') {
        await meanwhile()
      } else if (how === 'and the end comes while it waits') {
        await pair.cut()
        await meanwhile()
        await pair.resume()
      } else {
        await meanwhile()
        for (let i = 0; i < (how === 'once' ? 1 : 2); i++) {
          await pair.cut()
          await pair.resume()
        }
      }
      await settled()
    }

    for (const how of CUTS) {
      it(`is known after a stream was read to its end and the other side closes (cut: ${how})`, async () => {
        const { client, server } = await open()
        const there = server.stream()
        there.write(Buffer.from('hello'))
        const read: string[] = []
        there.on('data', token => read.push(String(token)))
        const ended = once(there, 'end')
        const here = client.stream()
        here.resume()
        await cut(how, () => here.end(Buffer.from('last')))
        await ended
        expect([read, server.isOpen, client.isOpen]).to.deep.equal([['last'], true, true])
        client.close()
        const infos = await Promise.all([client.closed, server.closed])
        expect(infos.map(info => info.code)).to.deep.equal(['normal', 'normal'])
      })

      it(`is known after a stream was read to its end and the reader ends too (cut: ${how})`, async () => {
        const { client, server } = await open()
        const there = server.stream()
        there.resume()
        there.write(Buffer.from('hello'))
        const here = client.stream()
        here.resume()
        await cut(how, () => here.end(Buffer.from('last')))
        there.end(Buffer.from('answer'))
        const infos = await Promise.all([client.closed, server.closed])
        expect(infos.map(info => info.code)).to.deep.equal(['normal', 'normal'])
      })

      it(`is known after a handler has settled tokens behind it (cut: ${how})`, async () => {
        const { client, server } = await open()
        const jobs: (() => void)[] = []
        server.handle(() => new Promise<void>(resolve => jobs.push(resolve)), { concurrency: 2 })
        const stream = client.stream()
        stream.write(Buffer.from('a'))
        await settled()
        await cut(how, () => stream.end(Buffer.from('b')))
        expect([client.isOpen, server.isOpen]).to.deep.equal([true, true])
        for (const done of jobs) done()
        const infos = await Promise.all([client.closed, server.closed])
        expect(infos.map(info => info.code)).to.deep.equal(['normal', 'normal'])
      })
    }

    it('is known after a handler has settled tokens while the session waited', async () => {
      const { client, server } = await open()
      const jobs: (() => void)[] = []
      server.handle(() => new Promise<void>(resolve => jobs.push(resolve)))
      client.stream().end(Buffer.from('b'))
      await settled()
      await pair.cut()
      jobs[0]?.()
      await pair.resume()
      const infos = await Promise.all([client.closed, server.closed])
      expect(infos.map(info => info.code)).to.deep.equal(['normal', 'normal'])
    })
  })

  describe('a session that one side has closed', () => {
    /** The one who closes, and the one whose application has not had everything. */
    const roles = ['client', 'server'] as const
    for (const closing of roles) {
      it(`is over on the other side at once, which waits for no transport: the ${closing} closes`, async () => {
        const { log } = await open()
        const [here, there] = closing === 'client' ? [pair.client, pair.server] : [pair.server, pair.client]
        const lost: unknown[] = []
        there.on('session-lost', loss => lost.push(loss))
        here.send(Buffer.from('work'))
        const iterator = there[Symbol.asyncIterator]()
        await iterator.next()
        here.close({ timeout: 100 })
        await settled()
        expect([there.isOpen, there.hasSession]).to.deep.equal([true, false])
        await pair.cut()
        expect([there.isDetached, there.isDead, there.send(Buffer.from('x'))]).to.deep.equal([
          false,
          true,
          false
        ])
        const info = await there.closed
        expect(info.code).to.be.oneOf(['ERR_SOCKET', 'ERR_LOST'])
        await here.closed
        expect([lost, log.filter(entry => !entry.startsWith('closed'))]).to.deep.equal([[], []])
      })
    }

    it('is over at once also on a side that still works on what came: nobody goes on with it', async () => {
      const { client, server, log } = await open()
      client.send(Buffer.from('work'))
      const iterator = server[Symbol.asyncIterator]()
      await iterator.next()
      client.close()
      await settled()
      expect(await pair.dialByHand()).to.equal('expired')
      expect([server.isOpen, log]).to.deep.equal([true, []])
      await iterator.return?.()
      await Promise.all([client.closed, server.closed])
      expect(log).to.deep.equal(['closed normal'])
    })
  })

  describe('the connection that `authorize` is given when it goes on', () => {
    it('closes once the session has its transport: its promises are settled, its iterator ends, `close` comes', async () => {
      const given: Connection[] = []
      const told: string[] = []
      let signals = 0
      await open({
        authorize: (connection, signal) => {
          given.push(connection)
          signal.addEventListener('abort', () => signals++)
          if (given.length === 1) return true
          connection.deliver(Buffer.from('lost')).catch(error => told.push(error.code))
          connection.on('close', (hadError, info) =>
            told.push(`close ${hadError} ${info.unsent} ${pair.server.isOpen}`)
          )
          void (async () => {
            for await (const _token of connection);
            told.push('iterated')
          })()
          return true
        }
      })
      const { server, log } = pair
      await pair.cut()
      await pair.resume()
      expect(given).to.have.length(2)
      expect(told).to.have.members(['ERR_NOT_SENT', 'close false 1 true', 'iterated'])
      expect([given[1]?.isDead, signals]).to.deep.equal([true, 1])
      expect([server.isOpen, log]).to.deep.equal([true, ['detached ERR_SOCKET', 'resumed']])
      expect((await (given[1] as Connection).closed).code).to.equal('normal')
    })

    it('may be ended by what hears of its end', async () => {
      let asked = 0
      await open({
        authorize: connection => {
          if (++asked === 2) connection.on('close', () => pair.server.destroy())
          return true
        }
      })
      await pair.cut()
      await pair.resume()
      expect(pair.log).to.deep.equal(['detached ERR_SOCKET', 'resumed', 'closed ERR_ABORTED'])
    })
  })
})
