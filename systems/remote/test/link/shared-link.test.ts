import { expect } from 'chai'
import type { Link } from '../../lib/link/link'
import { SharedLink } from '../../lib/link/shared-link'

/** Asks for room for each of its frames, one after the other, as an outbox does. */
class Sender {
  readonly #name: string
  readonly #link: SharedLink
  readonly #length: number
  #left: number

  constructor(name: string, link: SharedLink, length: number, count: number) {
    this.#name = name
    this.#link = link
    this.#length = length
    this.#left = count
    this.drained()
  }

  drained(): void {
    queueMicrotask(() => void this.#go())
  }

  async #go(): Promise<void> {
    while (this.#left > 0 && this.#link.reserve(this, this.#length)) {
      this.#left--
      await undefined
      const goesOn = this.#link.send(new TextEncoder().encode(this.#name), this)
      this.#link.release(this.#length)
      if (!goesOn) return
    }
  }
}

describe('A link that many share', () => {
  const turn = () => new Promise(resolve => setImmediate(resolve))

  function start(limit = Number.POSITIVE_INFINITY) {
    const sent: string[] = []
    let room = limit
    const send = (frame: Uint8Array) => {
      sent.push(new TextDecoder().decode(frame))
      return --room > 0
    }
    const link = new SharedLink({ send } as unknown as Link)
    const drain = async (more: number) => {
      room = more
      link.drained()
      await turn()
    }
    return { link, sent, drain }
  }

  it('lets those go on first who had to stop first, and nobody twice before another once', async () => {
    const { link, sent, drain } = start(1)
    for (const name of ['a', 'b', 'c']) new Sender(name, link, 200_000, 4)
    await turn()
    // Two had room to seal, for a link that was full after one.
    expect(sent).to.deep.equal(['a', 'b'])
    for (let count = 0; count < 20; count++) await drain(1)
    const rounds = Array.from({ length: 4 }, (_, index) =>
      sent
        .slice(3 * index, 3 * index + 3)
        .sort()
        .join('')
    )
    expect(rounds).to.deep.equal(['abc', 'abc', 'abc', 'abc'])
  })

  it('takes a message that is longer than the room for all, and then no other until it has gone', async () => {
    const { link, sent } = start()
    const long = { drained: () => sent.push('may go on') }
    expect(link.reserve(long, 1_000_000)).to.equal(true)
    expect(link.reserve(long, 1)).to.equal(false)
    await turn()
    expect(sent).to.deep.equal([])
    link.release(1_000_000)
    await turn()
    expect(sent).to.deep.equal(['may go on'])
    expect(link.reserve(long, 1)).to.equal(true)
  })

  it('lets all finish, however they mix', async () => {
    const { link, sent, drain } = start(3)
    for (let index = 0; index < 50; index++) new Sender(`${index}`, link, index * 10_000, 5)
    for (let count = 0; count < 400 && sent.length < 250; count++) await drain(3)
    expect(sent.length).to.equal(250)
  })
})
