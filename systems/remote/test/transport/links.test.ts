import { closesWhatItOpened, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import type { LinkClose } from '../../lib/link/link'
import { framesOf, LINK_KINDS } from '../helpers/link-pairs'

for (const [kind, makePair] of Object.entries(LINK_KINDS)) {
  describe(`A link over ${kind}`, () => {
    closesWhatItOpened()

    it('carries frames both ways, whole and in order', async () => {
      const { client, server } = await makePair()
      const there = framesOf(server, 1_000)
      const back = framesOf(client, 1_000)
      for (let number = 0; number < 1_000; number++) {
        client.send(utf8(`there ${number}`))
        server.send(utf8(`back ${number}`))
        if (number % 100 === 0) await new Promise(setImmediate)
      }
      expect((await there).map(textOf)).to.deep.equal(Array.from({ length: 1_000 }, (_, n) => `there ${n}`))
      expect((await back).map(textOf)).to.deep.equal(Array.from({ length: 1_000 }, (_, n) => `back ${n}`))
    })

    it('answers each frame at once, in order, as often as it is asked', async () => {
      const { client, server } = await makePair()
      server.onFrame = frame => {
        server.send(frame)
        // Each second one is answered twice, so that answers and frames of their own mix.
        if ((frame[0] as number) % 2 === 0) server.send(frame)
      }
      const numbers = Array.from({ length: 200 }, (_, number) => number)
      const answers = framesOf(client, 300)
      for (const number of numbers) client.send(Uint8Array.of(number))
      expect((await answers).map(([number]) => number)).to.deep.equal(
        numbers.flatMap(number => (number % 2 === 0 ? [number, number] : [number]))
      )
    })

    it('carries frames of 1 MiB, and a sender that waits for drain has little in memory', async () => {
      const { client, server } = await makePair()
      const frame = new Uint8Array(1_048_576).fill(7)
      const count = 20
      const came = framesOf(server, count)
      let most = 0
      for (let sent = 0; sent < count; sent++) {
        const mayGoOn = client.send(frame)
        most = Math.max(most, client.bufferedBytes)
        if (!mayGoOn)
          await new Promise<void>(resolve => {
            client.onDrain = resolve
          })
      }
      expect((await came).every(({ length }) => length === frame.length)).to.equal(true)
      expect(most).to.be.below(3 * 1_048_576)
    })

    it('keeps what comes before there is anybody to take it', async () => {
      const { client, server } = await makePair()
      server.send(utf8('early'))
      await new Promise(resolve => setTimeout(resolve, 50))
      expect((await framesOf(client, 1)).map(textOf)).to.deep.equal(['early'])
    })

    it('tells the end once, on both sides', async () => {
      const { client, server } = await makePair()
      const ends: LinkClose[] = []
      client.onClose = end => ends.push(end)
      server.onClose = end => ends.push(end)
      client.close('enough')
      client.close('enough')
      await until(() => ends.length === 2)
      expect(ends[0]?.reason).to.equal('enough')
      expect(client.send(utf8('late'))).to.equal(false)
    })

    it('ends when a frame is longer than it may be, and does not hand it on', async () => {
      const { client, server } = await makePair({ maxFrameBytes: 1_000 })
      let isClosed = false
      server.onFrame = () => expect.fail('it came')
      server.onClose = () => {
        isClosed = true
      }
      client.send(new Uint8Array(1_001))
      await until(() => isClosed)
    })

    it('ends when the other side does not read, with bounded memory', async () => {
      const { client, server } = await makePair({ maxBufferedBytes: 4_194_304 })
      let end: LinkClose | undefined
      client.onClose = why => {
        end = why
      }
      server.onFrame = () => {
        // Holds up the whole process in no way, but takes its time.
      }
      let most = 0
      // Nobody can read while this runs.
      for (let sent = 0; sent < 64 && end === undefined; sent++) {
        client.send(new Uint8Array(1_048_576))
        most = Math.max(most, client.bufferedBytes)
      }
      await until(() => end !== undefined)
      expect(end?.reason).to.include('does not read')
      expect(most).to.be.below(8 * 1_048_576)
    })
  })
}
