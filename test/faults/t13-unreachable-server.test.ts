import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { expect } from 'chai'
import { type CloseInfo, type Reconnecting, type TokenClient, TokenError } from '../../lib'
import { figures, isLong } from '../helpers/figures'
import { closesWhatItOpened, freePort, makeClient, plainServer, startServer } from '../helpers/loopback'

const SECONDS = isLong ? 60 : 10
/** In 60 s at most 12; in 10 s the shortest waits of the default policy allow 7. */
const MOST = isLong ? 12 : 8
const OUTBOX = 64 * 1024
const TOKEN = 1_000

describe('T13 a server that cannot be reached', () => {
  closesWhatItOpened()

  interface Result {
    dials: Reconnecting[]
    mostQueued: number
    taken: number
    refused: number
    info: CloseInfo
    fates: string[]
  }

  /** Sends and delivers to nobody for the time, then closes. */
  async function endure(client: TokenClient): Promise<Result> {
    const dials: Reconnecting[] = []
    const fates: string[] = []
    let mostQueued = 0
    let taken = 0
    let refused = 0
    client.on('reconnecting', next => dials.push(next))
    const fate = (promise: Promise<void>) =>
      promise.then(
        () => fates.push('delivered'),
        (error: TokenError) => fates.push(error instanceof TokenError ? error.code : String(error))
      )
    const promises = [fate(client.deliver(Buffer.alloc(TOKEN))), fate(client.deliver(Buffer.alloc(TOKEN)))]
    const end = performance.now() + SECONDS * 1000
    // Real time: what is measured is how often it dials in it.
    while (performance.now() < end) {
      if (client.send(Buffer.alloc(TOKEN))) taken++
      else refused++
      mostQueued = Math.max(mostQueued, client.bufferedAmount)
      await wait(20)
    }
    promises.push(fate(client.deliver(Buffer.alloc(TOKEN))))
    client.close()
    const info = await client.closed
    await Promise.all(promises)
    return { dials, mostQueued, taken, refused, info, fates }
  }

  function expectBounds(title: string, { dials, mostQueued, taken, refused, info, fates }: Result): void {
    figures(
      `${title}: ${dials.length} attempts in ${SECONDS} s (demanded: 12 in 60 s), waits ${dials.map(({ delay }) => delay).join(' ')} ms`
    )
    figures(`at most ${mostQueued} of ${OUTBOX} bytes queued; ${taken} tokens taken, ${refused} refused`)
    expect(dials.length).to.be.within(3, MOST)
    expect(mostQueued).to.be.at.most(OUTBOX)
    expect(taken).to.equal(Math.floor(OUTBOX / (TOKEN + 4)) - 2)
    expect(refused).to.be.greaterThan(10)
    expect(info.unsent).to.equal(taken + 2)
    expect(fates).to.deep.equal(['ERR_NOT_SENT', 'ERR_NOT_SENT', 'ERR_NOT_SENT'])
    // Tokens were thrown away: that is no end in order.
    expect(info.hadError).to.equal(true)
  }

  it(`T13 for ${SECONDS} s: attempts and queue are bounded, every fate is told`, async function () {
    this.timeout(90_000)
    const options = { reconnect: true, outboxBytes: OUTBOX, maxTokenLength: TOKEN }
    const { server, port } = await startServer()
    const lost = await makeClient(port, options)
    await once(lost, 'connect')
    server.close({ timeout: 0 })
    await once(lost, 'disconnect')

    const never = await makeClient(await freePort(), options)

    let accepted = 0
    const resetting = await plainServer(socket => {
      accepted++
      socket.resetAndDestroy()
    })
    const reset = await makeClient(resetting, options)

    const [one, two, three] = await Promise.all([endure(lost), endure(never), endure(reset)])
    expectBounds('its server closed', one)
    expectBounds('nobody ever listened', two)
    expectBounds('each TCP connection is reset', three)
    // An attempt is one dial: nothing below it tries again on its own.
    expect(accepted).to.be.within(three.dials.length, three.dials.length + 1)
  })
})
