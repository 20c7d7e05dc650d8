import { createVerifier } from '@token-server/identity'
import { closesWhatItOpened } from '@token-server/test-helpers'
import { expect } from 'chai'
import { DOORS, enter, type Guest, type GuestOptions } from '../helpers/guest'
import { deviceToken, handlerToken, inSeconds, SECRET, until } from '../helpers/test-broker'
import { TestDoor } from '../helpers/test-door'

/** Not rounded down to a whole second, of which a token of two may leave one. */
function soon(seconds: number): number {
  return Date.now() / 1_000 + seconds
}

describe('B7: a token on the open connection', () => {
  closesWhatItOpened()
  let door: TestDoor
  /** Is called when a token has a good signature and its claims are not judged yet. */
  let atNextVerify: (() => void) | undefined

  beforeEach(async () => {
    atNextVerify = undefined
    const clock = {
      date: () => {
        const happens = atNextVerify
        atNextVerify = undefined
        happens?.()
        return Date.now()
      },
      now: () => performance.now(),
      setTimeout: (callback: () => void, delay: number) => setTimeout(callback, delay),
      clearTimeout: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout)
    }
    const verifier = createVerifier({ issuers: { secret: SECRET }, clockTolerance: 0, clock })
    door = await TestDoor.start({ broker: { verifier } })
  })

  for (const by of DOORS) {
    const will = { topic: 'gone', payload: Buffer.from('x'), qos: 1 as const, retain: false }

    async function comes(token: string, options: GuestOptions = {}): Promise<Guest> {
      const guest = await enter(door, by, token, by === 'the token door' ? options : { will, ...options })
      if (guest === undefined) throw new Error('It was refused')
      return guest
    }

    /** How many wills have come: the token door has none. */
    function countsWills(): () => boolean {
      let wills = 0
      door.test.broker.subscribe('gone', () => wills++)
      return () => wills === (by === 'the token door' ? 0 : 1)
    }

    /** Publishes to it each 10 ms until it is ended. @returns when the last message came, and when it ended */
    async function ticksUntilEnd(guest: Guest): Promise<{ last: number; end: number }> {
      let last = 0
      let count = 0
      const timer = setInterval(() => {
        if (guest.received.length > count) last = Date.now()
        count = guest.received.length
        for (const qos of [0, 1] as const)
          void door.test.broker.publish({ topic: '1_tick', payload: 'x', qos })
      }, 10)
      await guest.ended
      const end = Date.now()
      await new Promise(resolve => setTimeout(resolve, 100))
      clearInterval(timer)
      expect(count).to.be.greaterThan(0)
      expect(guest.received.length - count, 'nothing after the end').to.be.at.most(4)
      return { last, end }
    }

    describe(by, () => {
      it('ends the connection when it expires, with its will, and nothing is delivered after', async () => {
        const wills = countsWills()
        const exp = soon(2)
        const guest = await comes(await deviceToken('1', { exp }))
        await guest.subscribe('1_tick')
        const { last, end } = await ticksUntilEnd(guest)
        expect(end - exp * 1_000).to.be.within(-50, 5_000)
        expect(last - exp * 1_000).to.be.lessThan(1_000)
        await until('the will comes', wills)
        expect(door.test.broker.counters).to.include({ tokenEnded: 1, connections: 0 })
        expect(await enter(door, by, await deviceToken('1', { exp }))).to.equal(undefined)
      })

      it('ends the connection when it is revoked, and no other of the same user', async () => {
        const wills = countsWills()
        const guest = await comes(await deviceToken('1', { jti: 'a' }))
        const other = await comes(await deviceToken('1', { jti: 'b' }))
        await guest.subscribe('1_tick')
        const ticks = ticksUntilEnd(guest)
        await until('some have come', () => guest.received.length > 4)
        await new Promise(resolve => setTimeout(resolve, 50))
        door.test.verifier.revocations.revoke({ tokenId: 'a' })
        await ticks
        await until('the will comes', wills)
        expect(other.isThere).to.equal(true)
        expect(await other.publish('ping')).to.equal(true)
        expect(await enter(door, by, await deviceToken('1', { jti: 'a' }))).to.equal(undefined)
      })

      it('gives nothing that waits for a client which takes nothing until its token is revoked', async () => {
        const guest = await comes(await deviceToken('1', { jti: 'a' }))
        await guest.subscribe('1_tick', 0)
        const goOn = guest.stall()
        const payload = Buffer.alloc(65_536)
        const { broker } = door.test
        await until('much waits', () => {
          void broker.publish({ topic: '1_tick', payload })
          return broker.counters.droppedSlow > 0
        })
        const { delivered } = broker.counters
        door.test.verifier.revocations.revoke({ tokenId: 'a' })
        goOn()
        await guest.ended
        expect(guest.received.length).to.be.lessThan(delivered - 10)
      })

      it('is renewed, and the connection lives on behind the end of the first, with the same will', async () => {
        const wills = countsWills()
        const guest = await comes(await deviceToken('1', { exp: soon(2) }))
        await guest.subscribe('1_tick')
        expect(await guest.renew(await deviceToken('1', { exp: soon(4) }))).to.equal(true)
        await new Promise(resolve => setTimeout(resolve, 2_200))
        await door.test.broker.publish({ topic: '1_tick', payload: 'x', qos: 1 })
        await until('it is delivered', () => guest.received.length === 1)
        await guest.ended
        await until('the will comes', wills)
        expect(door.test.broker.counters).to.include({ tokenRenewed: 1, tokenEnded: 1 })
      })

      it('closes the connection, without an answer, when a fresh one is refused', async () => {
        const cases: [string, string][] = [
          ['of another user', await deviceToken('2')],
          ['of a handler with that id', await handlerToken('h', { user_id: '1' })],
          ['expired', await deviceToken('1', { exp: inSeconds(-1) })],
          ['of a clock that is ahead', await deviceToken('1', { iat: inSeconds(30) })],
          ['not good yet', await deviceToken('1', { nbf: inSeconds(30) })],
          ['revoked', await deviceToken('1', { jti: 'bad' })],
          ['without an end', await deviceToken('1', { exp: undefined })],
          ['no token', 'x'],
          ['empty', '']
        ]
        door.test.verifier.revocations.revoke({ tokenId: 'bad' })
        for (const [what, token] of cases) {
          const guest = await comes(await deviceToken('1'))
          expect(await guest.renew(token), what).to.equal(false)
          await guest.ended
        }
        expect(door.test.broker.counters.tokenRenewed).to.equal(0)
        const words = JSON.stringify([door.test.lines, door.test.broker.refusals()])
        for (const [what, token] of cases) if (token.length > 1) expect(words, what).not.to.include(token)
      })

      it('that is revoked while a fresh one is verified ends the connection', async () => {
        const guest = await comes(await deviceToken('1', { jti: 'a' }))
        atNextVerify = () => door.test.verifier.revocations.revoke({ tokenId: 'a' })
        const renewed = guest.renew(await deviceToken('1', { jti: 'b' }))
        expect(await renewed).to.equal(false)
        await guest.ended
        expect(door.test.broker.counters).to.include({ tokenRenewed: 0, tokenEnded: 1 })
      })

      it('loses nothing that is published around the renewal, and what it grants holds from the answer on', async () => {
        const heard: string[] = []
        door.test.broker.subscribe('+/+', ({ topic, payload }) => heard.push(`${topic} ${payload}`))
        const guest = await comes(await deviceToken('1', { publish: ['old/+', 'both/+', 'gone'] }))
        const before = Array.from({ length: 50 }, (_, i) => guest.publish('both/x', `${i}`))
        const renewed = guest.renew(await deviceToken('1', { publish: ['new/+', 'both/+', 'gone'] }))
        const behind = Array.from({ length: 50 }, (_, i) => guest.publish('both/x', `${50 + i}`))
        expect(await renewed).to.equal(true)
        expect((await Promise.all([...before, ...behind])).every(isDone => isDone)).to.equal(true)
        expect(heard).to.deep.equal(Array.from({ length: 100 }, (_, i) => `both/x ${i}`))
        expect(await guest.publish('new/x')).to.equal(true)
        expect(await guest.publish('old/x')).to.equal(false)
        expect(heard.slice(100)).to.deep.equal(['new/x '])
      })

      if (by !== 'the token door')
        it('does not send a will that a fresh one does not grant', async () => {
          const heard: string[] = []
          for (const filter of ['gone', 'end'])
            door.test.broker.subscribe(filter, ({ topic }) => heard.push(topic))
          const guest = await comes(await deviceToken('1', { jti: 'a', publish: ['gone', 'end'] }))
          expect(await guest.renew(await deviceToken('1', { jti: 'b', publish: ['end'] }))).to.equal(true)
          door.test.verifier.revocations.revoke({ tokenId: 'b' })
          await guest.ended
          await until('it is gone', () => door.test.broker.counters.connections === 0)
          const other = await comes(await deviceToken('2', { publish: ['gone', 'end'] }))
          await other.publish('end')
          expect(heard).to.deep.equal(['end'])
        })

      it('ends subscriptions that a fresh one does not grant, in the store as well', async () => {
        const first = await deviceToken('1', { subscribe: ['room/4', '1/#'] })
        const guest = await comes(first, { session: 's' })
        for (const filter of ['room/4', '1/a']) await guest.subscribe(filter)
        expect(await guest.renew(await deviceToken('1', { subscribe: ['1/#'] }))).to.equal(true)
        const publish = (topic: string, payload: string) =>
          door.test.broker.publish({ topic, payload, qos: 1 })
        await publish('room/4', 'secret')
        await publish('1/a', 'mine')
        await until('the granted one comes', () => guest.received.length > 0)
        expect(await guest.subscribe('room/4')).to.equal(false)
        await guest.leave()
        await until('it is away', () => door.test.broker.counters.connections === 0)
        await publish('room/4', 'secret')
        const again = await comes(first, { session: 's' })
        await publish('1/a', 'end')
        await until('the end comes', () => again.received.length > 0)
        expect([...guest.received, ...again.received].map(({ payload }) => payload)).to.deep.equal([
          'mine',
          'end'
        ])
      })

      it('lets nothing through of a queue that it does not grant any more', async () => {
        const first = await deviceToken('1', { subscribe: ['room/4', '1/#'] })
        const guest = await comes(first, { session: 's' })
        for (const filter of ['room/4', '1/a']) await guest.subscribe(filter)
        await guest.leave()
        await until('it is away', () => door.test.broker.counters.connections === 0)
        for (let i = 0; i < 10; i++) {
          await door.test.broker.publish({ topic: 'room/4', payload: 'secret', qos: 1 })
          await door.test.broker.publish({ topic: '1/a', payload: `${i}`, qos: 1 })
        }
        const again = await comes(await deviceToken('1', { subscribe: ['1/#'] }), { session: 's' })
        await until('its own come', () => again.received.length === 10)
        expect(again.received.map(({ payload }) => payload)).to.deep.equal([...'0123456789'])
        // Nor when it is granted again: what was not granted is not kept.
        expect(await again.renew(first)).to.equal(true)
        await door.test.broker.publish({ topic: '1/a', payload: 'end', qos: 1 })
        await until('the end comes', () => again.received.length === 11)
        expect(again.received.at(-1)).to.include({ payload: 'end' })
      })
    })
  }

  it('reaches nobody as a message to $token by the token door, where a frame of its own renews', async () => {
    const guest = await enter(door, 'the token door', await deviceToken('1'))
    const heard: string[] = []
    for (const filter of ['#', '$token']) door.test.broker.subscribe(filter, ({ topic }) => heard.push(topic))
    const token = await deviceToken('1', { canary: 'x' })
    for (const retain of [false, true])
      expect(await guest?.publish('$token', token, { retain })).to.equal(false)
    expect(await guest?.publish('ping')).to.equal(true)
    expect(heard).to.deep.equal(['ping'])
    expect(JSON.stringify(door.test.lines)).not.to.include(token)
  })

  it('that has expired within the tolerance lets in for the rest of it', async function () {
    this.timeout(30_000)
    const tolerant = await TestDoor.start()
    for (const by of DOORS) {
      const exp = soon(-3)
      const guest = await enter(tolerant, by, await deviceToken('1', { exp }))
      await guest?.ended
      expect(Date.now() - exp * 1_000, by).to.be.within(4_900, 6_500)
    }
  })
})
