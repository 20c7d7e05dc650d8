import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import type { ConnectionEvents, ContextOf } from '../../lib/connection/connection-context'
import { EventDispatcher } from '../../lib/connection/event-dispatcher'
import { lostBy } from '../../lib/errors/close-info'
import { TokenError } from '../../lib/errors/token-error'
import type { Receiver } from '../../lib/receiving/receiver'
import { settled, uncaughtDuring } from '../helpers/moments'

class Emitter extends EventEmitter<ConnectionEvents> {
  isDetached = true

  handle(): void {}
}

/** A dispatcher, and what its owner and the listeners of the connection are told, in order. */
function make(owner: ContextOf<Emitter> = {}) {
  const connection = new Emitter()
  const log: string[] = []
  const waiting = { isClaimed: false, deliver: () => void log.push('deliver') }
  const dispatcher = new EventDispatcher(connection, owner)
  dispatcher.watch(waiting as Partial<Receiver> as Receiver)
  return { connection, dispatcher, log, waiting }
}

describe('EventDispatcher', () => {
  const token = Buffer.from('token')
  const error = new TokenError('ERR_LOST', 'lost')

  it('tells the owner of each event before the listeners of the connection', () => {
    const log: string[] = []
    const owner = (name: string) => () => void log.push(`owner ${name}`)
    const { connection, dispatcher } = make({
      onOpen: owner('open'),
      onDrain: owner('drain'),
      onDetached: owner('detached'),
      onResumed: owner('resumed'),
      onClose: owner('close')
    })
    for (const name of ['open', 'drain', 'detached', 'resumed', 'close'] as const)
      connection.on(name, () => void log.push(name))
    dispatcher.onOpen()
    dispatcher.onDrain()
    dispatcher.onDetached(error)
    dispatcher.onResumed()
    dispatcher.onEnd(lostBy(null), null)
    dispatcher.onClose(lostBy(null))
    const names = ['open', 'drain', 'detached', 'resumed', 'close']
    expect(log).to.deep.equal(names.flatMap(name => [`owner ${name}`, name]))
  })

  it('does not tell listeners that the transport is gone when the owner has ended the connection for it', () => {
    const { connection, dispatcher, log } = make({
      onDetached: (_error, detached) => {
        detached.isDetached = false
      }
    })
    connection.on('detached', () => void log.push('detached'))
    dispatcher.onDetached(error)
    expect(log).to.deep.equal([])
  })

  it('emits `error` only where someone listens for it', () => {
    const { connection, dispatcher, log } = make()
    dispatcher.onEnd(lostBy(error), null)
    connection.on('error', ({ code }) => void log.push(code))
    dispatcher.onEnd(lostBy(error), null)
    expect(log).to.deep.equal(['ERR_LOST'])
  })

  it('gives a token to the listeners of the connection, of whoever it is forwarded to, or of both', async () => {
    const { connection, dispatcher, log } = make()
    const forward = { isWanting: true, handling: null, take: () => void log.push('forwarded') }
    const listener = () => void log.push('listener')
    expect(dispatcher.hasListeners).to.equal(false)
    dispatcher.forwardTo(forward)
    dispatcher.onToken(token)
    connection.on('token', listener)
    dispatcher.onToken(token)
    forward.isWanting = false
    dispatcher.onToken(token)
    expect(log).to.deep.equal(['forwarded', 'listener', 'forwarded', 'listener'])
    await settled()
    connection.off('token', listener)
    expect(dispatcher.hasListeners).to.equal(false)
  })

  it('gives a token to whoever it is forwarded to also when a listener of the connection throws', async () => {
    const { connection, dispatcher, log } = make()
    dispatcher.forwardTo({ isWanting: true, handling: null, take: () => void log.push('forwarded') })
    connection.on('token', () => {
      throw new Error('of a listener')
    })
    const caught = await uncaughtDuring(async () => {
      dispatcher.onToken(token)
      await settled()
    })
    expect([log[0], caught.map(String)]).to.deep.equal(['forwarded', ['Error: of a listener']])
  })

  it('asks for what waits as soon as a listener of `token` can be called, and keeps one out while it is claimed', async () => {
    const { connection, log, waiting } = make()
    connection.on('token', () => {})
    expect(log).to.deep.equal([])
    await settled()
    expect(log).to.deep.equal(['deliver'])
    waiting.isClaimed = true
    expect(() => connection.on('token', () => {})).to.throw(TokenError, 'another one')
    expect(connection.listenerCount('token')).to.equal(1)
  })

  it('has no listeners for tokens of a connection that is broken', () => {
    const { connection, dispatcher } = make()
    connection.on('token', () => {})
    expect(dispatcher.hasListeners).to.equal(true)
    dispatcher.mute()
    expect(dispatcher.hasListeners).to.equal(false)
  })

  it('lets a stream that waits for room go on before the listeners of `drain`, once', () => {
    const { connection, dispatcher, log } = make()
    connection.on('drain', () => void log.push('drain'))
    dispatcher.onceDrained(() => void log.push('goes on'))
    dispatcher.onDrain()
    dispatcher.onDrain()
    expect(log).to.deep.equal(['goes on', 'drain', 'drain'])
  })

  it('asks `authorize` for no longer than the handshake may take, and nobody where there is none', () => {
    const authorize = () => true
    expect(make().dispatcher.authorizeTimeout).to.equal(null)
    for (const [greetingTimeout, authorizeTimeout, expected] of [
      [500, 1000, 500],
      [1000, 500, 500]
    ] as const)
      expect(make({ authorize, greetingTimeout, authorizeTimeout }).dispatcher.authorizeTimeout).to.equal(
        expected
      )
  })
})
