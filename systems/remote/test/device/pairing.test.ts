import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import { readPhoneKey } from '../../lib/client/phone-key'
import type { RemoteClient } from '../../lib/client/remote-client'
import type { Phone } from '../../lib/keys/phone'
import { decodeFrame, FrameKind } from '../../lib/wire/frame'
import { ADDRESS } from '../helpers/key-rings'
import { PairingScene, refusalOf } from '../helpers/pairing-scene'

describe('Pairing', () => {
  let scene: PairingScene

  afterEach(() => scene.close())

  it('gives a phone a key of its own, with which it asks on the same connection and comes back on another', async () => {
    scene = await PairingScene.open()
    const { phone, key } = await scene.paired('Ann’s phone')
    expect(await phone.send('on')).to.equal('on is done')
    expect(scene.host.links.length).to.equal(1)
    expect(scene.ring.phones().map(({ id, name, state }) => ({ id, name, state }))).to.deep.equal([
      { id: key.id, name: 'Ann’s phone', state: 'approved' }
    ])
    const stored = readPhoneKey(JSON.parse(JSON.stringify(key)))
    expect(stored?.url).to.equal(`wss://lamp.example:8443/remote?device=${scene.ring.deviceId}`)
    const later = scene.phone()
    await later.connect(stored?.url ?? '', stored?.key)
    expect(await later.send('off')).to.equal('off is done')
  })

  it('takes the owner’s name for the phone, and tells the phone what it may do and until when', async () => {
    scene = await PairingScene.open()
    const until = scene.clock.date() + 1000
    const { phone, key } = await scene.paired('own name', { name: 'Ann', events: ['on'], until })
    expect(key).to.deep.include({ name: 'Ann', events: ['on'], until })
    expect(await phone.send('on')).to.equal('on is done')
    expect(await refusalOf(phone.send('off'))).to.equal('refused not-allowed')
  })

  it('lets an invitation do nothing but pairing', async () => {
    scene = await PairingScene.open()
    const { Pairing } = await import('../../lib/client/pairing.js')
    const { url, key } = await Pairing.of(await scene.invite())
    const phone = scene.phone()
    await phone.connect(url, key)
    expect(await refusalOf(phone.send('on'))).to.equal('refused not-allowed')
    for (const what of ['describe', 'state', 'lease', 'watch'])
      expect(await refusalOf(phone.ask(what, { time: 1000 })), what).to.match(/^refused/)
    for (const payload of [null, {}, { step: 'claim' }, { step: 'finish', enc: 'x' }, { step: '__proto__' }])
      expect(await refusalOf(phone.ask('pair', payload)), JSON.stringify(payload)).to.equal('invalid')
  })

  it('asks the owner, who reads the same four words on both, and lets the phone wait meanwhile', async () => {
    scene = await PairingScene.open()
    const phone = scene.phone()
    let words = ''
    let stored: unknown
    const asked = once(scene.ring, 'asked') as Promise<Phone[]>
    const pairing = phone.pair(await scene.invite({ asks: true }), 'Ann', {
      onWords: said => {
        words = said
      },
      onKey: key => {
        stored = key
      }
    })
    const [waiting] = await asked
    await until(() => stored !== undefined)
    expect(words.split(' ').length).to.equal(4)
    expect(waiting?.words).to.equal(words)
    await until(() => scene.ring.phones()[0]?.lastSeen !== undefined)
    expect(await refusalOf(phone.send('on'))).to.equal('refused not-approved')
    await scene.ring.approve(waiting?.id ?? '')
    expect(await pairing).to.deep.equal(stored)
    expect(await phone.send('on')).to.equal('on is done')
  })

  it('asks by a callback: yes lets the phone in, no turns it away', async () => {
    for (const answer of [true, false]) {
      const questions: string[] = []
      scene = await PairingScene.open({
        approve: ({ name, words }) => {
          questions.push(`${name}: ${words}`)
          return answer
        }
      })
      const phone = scene.phone()
      let words = ''
      const pairing = phone.pair(await scene.invite({ asks: true }), 'Ann', {
        onWords: said => {
          words = said
        }
      })
      if (answer) await pairing
      else expect(await refusalOf(pairing)).to.equal('refused not-approved')
      expect(questions).to.deep.equal([`Ann: ${words}`])
      await until(() => answer || scene.ring.phones().length === 0)
      expect(scene.ring.phones().length).to.equal(answer ? 1 : 0)
      if (answer) await scene.close()
    }
  })

  it('takes a question back that somebody else has answered', async () => {
    let wasAborted = false
    scene = await PairingScene.open({
      approve: (_, signal) =>
        new Promise(resolve => {
          signal.addEventListener('abort', () => {
            wasAborted = true
            resolve(false)
          })
        })
    })
    const asked = once(scene.ring, 'asked') as Promise<Phone[]>
    const pairing = scene.phone().pair(await scene.invite({ asks: true }), 'Ann')
    await scene.ring.approve((await asked)[0]?.id ?? '')
    await pairing
    expect(wasAborted).to.equal(true)
    expect(scene.ring.phones()[0]?.state).to.equal('approved')
  })

  it('lets one of two phones in that race for an invitation, each time', async () => {
    for (let round = 0; round < 10; round++) {
      scene = await PairingScene.open()
      const url = await scene.invite()
      const phones = [scene.phone(), scene.phone()]
      const ends = await Promise.allSettled(phones.map((phone, index) => phone.pair(url, `phone ${index}`)))
      expect(ends.map(({ status }) => status)).to.have.members(['fulfilled', 'rejected'])
      expect(scene.ring.phones().length).to.equal(1)
      const winner = phones[ends.findIndex(({ status }) => status === 'fulfilled')] as RemoteClient
      expect(await winner.send('on')).to.equal('on is done')
      if (round < 9) await scene.close()
    }
  })

  it('makes a photographed QR code worthless once its phone has come', async () => {
    scene = await PairingScene.open()
    const url = await scene.invite()
    await scene.phone().pair(url, 'Ann')
    expect(await refusalOf(scene.phone().pair(url, 'Eve'))).to.equal('refused used')
    expect(scene.ring.phones().map(({ name }) => name)).to.deep.equal(['Ann'])
  })

  it('is refused with an invitation whose time is over, whatever the QR code says', async () => {
    scene = await PairingScene.open()
    const url = await scene.invite({ lifetime: 60_000 })
    scene.clock.advance(60_000)
    const clock = new FakeClock({ date: Date.now() })
    // With a backoff, or it would be sent away for a hundred handshakes that fail.
    const phone = scene.phone({ clock, random: () => 0.9 })
    const refused = refusalOf(phone.pair(url, 'Ann'))
    await until(() => phone.status === 'bad-key')
    await clock.elapse(10_000)
    expect(await refused).to.equal('bad-key')
  })

  it('goes on where a connection was cut, at every frame of it', async function () {
    this.timeout(60_000)
    for (let cutAt = 1, wasCut = true; wasCut; cutAt++) {
      let count = 0
      let cut: (() => void) | undefined
      scene = await PairingScene.open({
        pass: frame => {
          const kind = decodeFrame(frame)?.kind
          if (kind === FrameKind.control || ++count !== cutAt) return frame
          cut?.()
          return undefined
        }
      })
      wasCut = false
      cut = () => {
        wasCut = true
        scene.host.link.cut()
      }
      const phone = scene.phone({ timeoutLength: 5000 })
      const url = await scene.invite()
      for (;;)
        try {
          await phone.pair(url, 'Ann')
          break
        } catch (error) {
          expect((error as { code?: string }).code, `frame ${cutAt}`).to.equal('disconnected')
          await until(() => phone.status !== 'connecting')
        }
      expect(await phone.send('on')).to.equal('on is done')
      expect(scene.ring.phones().length, `frame ${cutAt}`).to.equal(1)
      if (wasCut) await scene.close()
      else expect(cutAt).to.be.greaterThan(8)
    }
  })

  it('refuses an invitation that is none, or whose device has another key, before it connects', async () => {
    scene = await PairingScene.open()
    const [url, other] = [await scene.invite(), await PairingScene.open()]
    const p = (text: string) => /p=([\w-]+)/.exec(text)?.[1] ?? ''
    const swapped = url.replace(p(url), p(await other.invite()))
    await other.close()
    for (const text of ['', 'https://lamp', swapped, scene.ring.sharedInvitation(ADDRESS)])
      expect(await refusalOf(scene.phone().pair(text, 'Ann'))).to.equal('invalid')
    expect(scene.host.links.length).to.equal(0)
  })

  it('by an invitation that somebody claims again and again goes on for all others', async () => {
    scene = await PairingScene.open()
    const { Pairing } = await import('../../lib/client/pairing.js')
    const { url, key } = await Pairing.of(await scene.invite())
    const other = await scene.invite()
    const eve = scene.phone()
    await eve.connect(url, key)
    const bytes = () => randomBytes(32).toString('base64url')
    const claim = () => eve.ask('pair', { step: 'claim', enc: bytes(), commit: bytes() })
    const claims = Array.from({ length: 1_000 }, () =>
      claim().then(
        () => 'claimed',
        ({ reason }) => reason
      )
    )
    await scene.phone().pair(other, 'Bob')
    const ends = await Promise.all(claims)
    expect(['claimed', 'used', 'busy', 'too-fast']).to.include.members(ends)
    expect(ends.filter(end => end === 'claimed').length).to.equal(1)
    expect(ends.filter(end => end === 'used').length).to.be.within(20, 60)
  })

  it('lets a phone ask for its approval as often as it likes, and wait with a few of its questions', async () => {
    scene = await PairingScene.open()
    const asked = once(scene.ring, 'asked') as Promise<Phone[]>
    const phone = scene.phone()
    const pairing = phone.pair(await scene.invite({ asks: true }), 'Ann')
    const [waiting] = await asked
    await until(() => scene.ring.phones()[0]?.lastSeen !== undefined)
    const asks = Array.from({ length: 500 }, () =>
      phone.ask('approval').then(
        () => 'approved',
        error => error
      )
    )
    const refused = asks.map(ask => ask.then(end => (end === 'approved' ? [] : [end.reason])))
    await Promise.race(refused.slice(-1))
    await scene.ring.approve(waiting?.id ?? '')
    await pairing
    const reasons = (await Promise.all(refused)).flat()
    expect(new Set(reasons)).to.deep.equal(new Set(['busy']))
    expect(reasons.length).to.be.within(467, 469)
    expect(await phone.ask('approval')).to.include({ name: 'Ann' })
  })

  it('is not needed for the invitation of a shared key: whoever has it is in', async () => {
    scene = await PairingScene.open()
    const url = scene.ring.sharedInvitation(ADDRESS)
    for (let count = 0; count < 2; count++) {
      const phone = scene.phone()
      await phone.connect(url)
      expect(await phone.send('on')).to.equal('on is done')
    }
    expect(await refusalOf(scene.phone().connect(url.replace('m=shared', 'm=open')))).to.equal('invalid')
  })
})

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 5))
}
