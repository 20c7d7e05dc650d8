import { setTimeout as wait } from 'node:timers/promises'
import { createAuthority, type KeyAndCert } from '@token-server/certs'
import { expect } from 'chai'
import type { TokenError } from '../../lib'
import { startProgram } from '../helpers/fault-program'
import { figures, isLong } from '../helpers/figures'
import { closesWhatItOpened, makeClient, startServer, until } from '../helpers/loopback'
import { settled } from '../helpers/moments'
import type { HerdReport } from './programs/herd'

const ROTATIONS = isLong ? 100 : 20
const CLIENTS = isLong ? 100 : 50
/** Of each rotation: time for a few handshakes under the certificate. */
const PAUSE = isLong ? 300 : 100

describe('T15 certificates rotated under load', () => {
  closesWhatItOpened()

  it(`T15 ${ROTATIONS} times under ${CLIENTS} connections: none trusted is closed, no handshake fails, a revoked one goes at once`, async function () {
    this.timeout(120_000)
    const before = await createAuthority({ name: 'before' })
    const after = await createAuthority({ name: 'after' })
    const pairs: KeyAndCert[] = [
      await before.issueServer({ name: 'one' }),
      await after.issueServer({ name: 'two' })
    ]
    const good = await before.issueClient({ name: 'good' })
    const revoked = await after.issueClient({ name: 'revoked' })
    // The CA roll: both are trusted while it goes on, in any order.
    const trust = [before.cert, after.cert]

    const { server, port } = await startServer({ ...pairs[0], ca: trust })
    const errors: string[] = []
    const refused: string[] = []
    server.on('connectionError', error => errors.push(error.message))
    server.on('refused', ({ error }) => refused.push(error.message))
    server.on('token', (token, connection) => void connection.send(token))
    const [herd, visitors] = await Promise.all([startProgram('herd'), startProgram('herd')])
    await herd.ask<HerdReport>({ ask: 'start', count: CLIENTS, options: { port, ...good, ca: trust } })
    await herd.ask<HerdReport>({ ask: 'load', pause: 10 })
    const victim = await makeClient(port, { ...revoked, ca: trust })
    await until(() => server.connections.size === CLIENTS + 1)

    let isOver = false
    let visits = 0
    let seen: HerdReport | null = null
    const visiting = (async () => {
      while (!isOver) {
        seen = await visitors.ask<HerdReport>({
          ask: 'visit',
          count: 5,
          options: { port, ...good, ca: trust }
        })
        visits += 5
      }
    })().finally(() => {
      isOver = true
    })
    let slowest = 0
    const isEnough = () => visits >= ROTATIONS && Object.keys(seen?.subjects ?? {}).length === 2
    // A busy machine makes fewer handshakes in the same time: it goes on until there were enough, and some under each.
    for (let i = 1; !isOver && (i <= ROTATIONS || !isEnough()); i++) {
      const begin = performance.now()
      server.reload({ ...(pairs[i % 2] as KeyAndCert), ca: i % 3 === 0 ? [...trust].reverse() : trust })
      slowest = Math.max(slowest, performance.now() - begin)
      // Real time: so that handshakes and echoes of the other processes fall between two of them.
      await wait(PAUSE)
    }
    isOver = true
    await visiting
    const { connected, echoes, codes } = await herd.ask<HerdReport>({ ask: 'report' })
    const { subjects, codes: failures } = seen as unknown as HerdReport
    figures(
      `${echoes} echoes meanwhile, ${visits} handshakes: ${JSON.stringify(subjects)}; reload() took ${slowest.toFixed(0)} ms at most`
    )
    expect(errors).to.deep.equal([])
    expect(refused).to.deep.equal([])
    expect(codes).to.deep.equal({})
    expect(failures).to.deep.equal({})
    expect(connected).to.equal(CLIENTS)
    expect(echoes).to.be.greaterThan(CLIENTS * ROTATIONS * (PAUSE / 100))
    expect(Object.keys(subjects).sort()).to.deep.equal(['CN=one', 'CN=two'])
    expect(visits).to.be.at.least(ROTATIONS)

    const ofVictim = [...server.connections].find(({ peer }) => peer?.subject === 'CN=revoked')
    expect(ofVictim?.isOpen).to.equal(true)
    const crl = [await after.createCrl([revoked.cert]), await before.createCrl([])]
    const begin = performance.now()
    server.reload({ crl })
    await settled()
    expect(ofVictim?.isOpen, 'some turns of the event loop later').to.equal(false)
    const { error } = await victim.closed
    figures(`the revoked one was closed after ${(performance.now() - begin).toFixed(0)} ms (demanded: 1000)`)
    expect(error as TokenError).to.include({ code: 'ERR_PEER_CLOSED', closeCode: 'certificate-unknown' })
    const end = await herd.ask<HerdReport>({ ask: 'report' })
    expect(end.connected).to.equal(CLIENTS)
    expect(end.codes).to.deep.equal({})
    await herd.ask({ ask: 'close' })
  })
})
