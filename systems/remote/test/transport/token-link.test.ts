import { closesWhatItOpened, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import type { LinkClose } from '../../lib/link/link'
import { framesOf, tokenPair } from '../helpers/link-pairs'

function endOf(link: { onClose: ((why: LinkClose) => void) | undefined }): Promise<LinkClose> {
  return new Promise(resolve => {
    link.onClose = resolve
  })
}

describe('A link over tokens, beside what all links do', () => {
  closesWhatItOpened()

  it('tells at its end which frames the other side has certainly not had', async () => {
    const { client, server } = await tokenPair()
    const came: string[] = []
    server.onFrame = frame => came.push(textOf(frame))
    client.send(utf8('had'))
    await until(() => came.length === 1)
    const end = endOf(client)
    server.close('enough')
    for (let number = 0; number < 5; number++) client.send(utf8(`late ${number}`))
    expect(await end).to.deep.equal({ reason: 'the connection was closed', unsent: 5 })
    expect(came).to.deep.equal(['had'])
  })

  it('does not say so of frames whose fate nobody knows', async () => {
    const { client, server } = await tokenPair()
    let came = 0
    server.onFrame = () => {
      // It had the second frame when it was cut.
      if (++came === 2) server.cut?.('it is cut')
    }
    const end = endOf(client)
    client.send(utf8('one'))
    client.send(utf8('two'))
    expect((await end).unsent).to.equal(0)
  })

  it('cuts a client that is not trusted for more than 64 KiB of what is no whole frame', async () => {
    const { client, server } = await tokenPair({}, false)
    let came = 0
    server.onFrame = () => came++
    for (let sent = 0; sent < 40; sent++) client.send(new Uint8Array(30_000))
    await until(() => came === 40)
    const end = endOf(server)
    client.send(new Uint8Array(1_000_000))
    expect(await end).to.deep.equal({ reason: 'too much came of what is no whole frame' })
    await endOf(client)
  })

  it('takes frames of 1 MiB of a client that is trusted', async () => {
    const { client, server } = await tokenPair({}, false)
    server.trust?.()
    const frames = framesOf(server, 1)
    client.send(new Uint8Array(1_000_000))
    expect((await frames)[0]).to.have.length(1_000_000)
  })

  it('holds frames while it is paused, at most as many as the window has, and none is lost', async () => {
    const { client, server } = await tokenPair()
    let came = 0
    server.onFrame = () => came++
    server.pause?.()
    const frame = new Uint8Array(65_536)
    for (let sent = 0; sent < 100; sent++)
      if (!client.send(frame)) await new Promise(resolve => setTimeout(resolve, 5))
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(came).to.equal(0)
    expect(client.bufferedBytes).to.be.above(1_048_576)
    server.resume?.()
    await until(() => came === 100)
  })
})
