import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import { Connection } from '../../lib'
import { frames } from '../helpers/bytes'
import { settled, uncaughtDuring } from '../helpers/moments'
import { connectionAndPeer, destroyPairs, memoryPair } from '../helpers/pairs'

describe('the token listener of a connection', () => {
  afterEach(destroyPairs)

  /** A connection, and what its peer writes. */
  function open() {
    const { connection, peer } = connectionAndPeer()
    const say = async (...tokens: string[]) => {
      peer.write(frames(...tokens))
      await settled()
    }
    return { connection, say }
  }

  it('is called with the connection as `this`, alone or among others', async () => {
    const { connection, say } = open()
    const log: unknown[] = []
    connection.on('token', function (this: Connection, token) {
      log.push(String(token), this === connection)
    })
    await say('a')
    connection.on('token', () => void log.push('other'))
    await say('b')
    expect(log).to.deep.equal(['a', true, 'b', true, 'other'])
  })

  it('added by once() is called once, and the next one gets the next token of the same chunk', async () => {
    const { connection, say } = open()
    const log: string[] = []
    connection.once('token', token => {
      log.push(`first ${token}`)
      connection.on('token', token => void log.push(`second ${token}`))
    })
    await say('a', 'b', 'c')
    expect(log).to.deep.equal(['first a', 'second b', 'second c'])
  })

  it('a token listener that removes itself gets nothing more of the chunk', async () => {
    const { connection, say } = open()
    const log: string[] = []
    const listener = (token: Buffer) => {
      log.push(String(token))
      if (String(token) === 'b') connection.off('token', listener)
    }
    connection.on('token', listener)
    await say('a', 'b', 'c', 'd')
    expect(log).to.deep.equal(['a', 'b'])
    connection.on('token', token => void log.push(`later ${token}`))
    await settled()
    expect(log).to.deep.equal(['a', 'b', 'later c', 'later d'])
  })

  it('a token listener that throws gets the next token, and the exception is uncaught', async () => {
    const { connection, say } = open()
    const log: string[] = []
    connection.on('token', token => {
      log.push(String(token))
      throw new Error(`about ${token}`)
    })
    const caught = await uncaughtDuring(() => say('a', 'b'))
    expect([log, caught.map(String)]).to.deep.equal([
      ['a', 'b'],
      ['Error: about a', 'Error: about b']
    ])
  })

  it('a token listener that destroys the connection gets nothing more, and what it got was counted', async () => {
    const { connection, say } = open()
    const log: string[] = []
    connection.on('token', token => {
      log.push(String(token))
      if (String(token) === 'b') connection.destroy()
    })
    await say('a', 'b', 'c')
    expect([log, connection.tokensReceived]).to.deep.equal([['a', 'b'], 2])
  })

  it('is reached through an emit() that was put over that of the connection, at any time', async () => {
    const { connection, say } = open()
    const log: string[] = []
    connection.on('token', token => void log.push(String(token)))
    await say('a')
    const emit = connection.emit
    connection.emit = function (this: Connection, ...event: Parameters<typeof emit>) {
      log.push(`emit ${String(event[0])}`)
      return emit.apply(this, event)
    } as typeof emit
    await say('b')
    expect(log).to.deep.equal(['a', 'emit token', 'b'])
  })

  it('a token listener of a subclass with an emit() of its own is reached through it', async () => {
    const log: string[] = []
    class Loud extends Connection {
      // biome-ignore lint/suspicious/noExplicitAny: the events do not matter here
      override emit(event: any, ...values: any[]): boolean {
        log.push(`emit ${String(event)}`)
        return super.emit(event, ...(values as [never]))
      }
    }
    const [a, b] = memoryPair()
    const connection = new Loud(a)
    connection.on('token', token => void log.push(String(token)))
    b.write(frames('a'))
    await settled()
    expect(log.slice(-2)).to.deep.equal(['emit token', 'a'])
  })

  it('an async token listener has its rejections captured where EventEmitter is told to', async () => {
    EventEmitter.captureRejections = true
    try {
      const { connection, say } = open()
      const errors: unknown[] = []
      connection.on('error', error => void errors.push(error))
      connection.on('token', async () => {
        await settled()
        throw new Error('later')
      })
      await say('a')
      await settled()
      expect(errors.map(String)).to.deep.equal(['Error: later'])
    } finally {
      EventEmitter.captureRejections = false
    }
  })
})
