import { expect } from 'chai'
import { Receiver } from '../../lib/receiving/receiver'
import { AnswerQueue } from '../../lib/sending/answer-queue'
import { FrameWriter } from '../../lib/sending/frame-writer'
import { TokenQueue } from '../../lib/sending/token-queue'
import { Delivery } from '../../lib/session/deliveries'
import { Session } from '../../lib/session/session'
import type { SessionPart } from '../../lib/wire/hello'

const KEY = { id: Buffer.alloc(16, 1), epoch: Buffer.alloc(8, 2) }
const WINDOW = 2_000

/** One end of a session without sockets: what it writes is what `write` returns. */
class End {
  readonly session = new Session()
  readonly queue = new TokenQueue()
  readonly got: string[] = []
  readonly fates: string[] = []
  /** Tokens that the application takes before it stops to want. */
  appetite = Number.POSITIVE_INFINITY
  #writer = new FrameWriter(this.queue, new AnswerQueue(() => {}))
  readonly #receiver: Receiver

  constructor() {
    const end = this
    this.queue.keep(WINDOW)
    this.session.begin(KEY, 1)
    this.#receiver = new Receiver(
      1_000,
      {
        get hasListeners() {
          return end.got.length < end.appetite
        },
        onToken: token => this.got.push(String(token))
      },
      {
        fail: error => {
          throw error
        },
        armClose: () => {}
      },
      true
    )
    this.#receiver.protocol = { handed: (count, last) => this.session.given(count, last) }
    this.#receiver.open()
  }

  deliver(token: string): void {
    const number = this.queue.taken + 1
    this.queue.push(Buffer.from(token))
    this.session.deliveries.add(
      new Delivery(
        number,
        () => this.fates.push(`${number} handed`),
        error => this.fates.push(`${number} ${error.code}`)
      )
    )
  }

  write(): Buffer {
    const chunks: Uint8Array[] = []
    for (let chunk = this.#writer.next(); chunk !== null; chunk = this.#writer.next()) {
      chunks.push(Buffer.from(chunk))
      this.#writer.written()
    }
    return Buffer.concat(chunks)
  }

  read(bytes: Buffer): void {
    this.#receiver.push(bytes)
    this.#receiver.deliver()
  }

  /** The application wants the rest. */
  takeRest(): void {
    this.appetite = Number.POSITIVE_INFINITY
    this.#receiver.deliver()
  }

  cut(): void {
    this.queue.unbegin(null)
    this.#writer = new FrameWriter(this.queue, new AnswerQueue(() => {}))
    this.session.received = this.#receiver.restart()
  }

  /** The peer's HELLO of the next dial. */
  resume(peer: SessionPart): void {
    expect(this.session.faultOf(peer, this.queue.sent)).to.equal(null)
    this.queue.rewind(peer.received)
    this.acknowledge(peer.handed)
  }

  acknowledge(handed: number): void {
    this.queue.acknowledge(handed)
    this.session.deliveries.acknowledge(handed)
  }
}

const SCRIPT = ['', 'a', 'bcd', 'e'.repeat(40), '', 'fgh', 'i'.repeat(17)]

describe('a session as a model without sockets', () => {
  /** Cuts the exchange behind each of the given numbers of bytes, one after the other, then lets it end. */
  function play(cuts: readonly number[], appetite: number): { sender: End; receiver: End; length: number } {
    const sender = new End()
    const receiver = new End()
    receiver.appetite = appetite
    for (const token of SCRIPT) sender.deliver(token)
    let length = 0
    for (const cut of cuts) {
      const bytes = sender.write()
      length = bytes.length
      receiver.read(bytes.subarray(0, cut))
      for (const end of [sender, receiver]) end.cut()
      sender.resume(receiver.session.answer('resumed'))
      receiver.resume(sender.session.answer('resumed'))
    }
    receiver.read(sender.write())
    receiver.takeRest()
    return { sender, receiver, length }
  }

  function expectAll({ sender, receiver }: ReturnType<typeof play>, what: string): void {
    expect(receiver.got, what).to.deep.equal(SCRIPT)
    expect(receiver.session.handed, what).to.equal(SCRIPT.length)
    sender.acknowledge(receiver.session.handed)
    expect(sender.fates, what).to.deep.equal(SCRIPT.map((_token, index) => `${index + 1} handed`))
    expect(sender.queue.keptBytes, what).to.equal(0)
    expect(sender.queue.size, what).to.equal(0)
  }

  const LENGTH = SCRIPT.reduce((sum, token) => sum + token.length + 4, 0)

  it('has every token arrive once and in order, wherever one cut falls and however many were taken', () => {
    for (let appetite = 0; appetite <= SCRIPT.length; appetite++) {
      for (let cut = 0; cut <= LENGTH; cut++) expectAll(play([cut], appetite), `cut at ${cut}`)
    }
  })

  it('has every token arrive once and in order, wherever a second cut falls', () => {
    for (let first = 0; first <= LENGTH; first++) {
      const { length } = play([first, 0], 3)
      for (let second = 0; second <= length; second++) {
        expectAll(play([first, second], 3), `cuts at ${first} and ${second}`)
      }
    }
  })

  it('keeps promises by what was handed, not by what was received', () => {
    const { sender } = play([LENGTH], 2)
    expect(sender.fates).to.deep.equal(['1 handed', '2 handed'])
  })

  it('starts no token that does not fit into the window, and goes on when there is room', () => {
    const sender = new End()
    for (let i = 0; i < 5; i++) sender.deliver('x'.repeat(700))
    expect(sender.write().length).to.equal(2 * 704)
    expect(sender.write().length).to.equal(0)
    sender.acknowledge(1)
    expect(sender.write().length).to.equal(704)
    expect(sender.queue.keptBytes).to.equal(2 * 704)
  })

  it('tells not sent and unknown apart when it can not go on', () => {
    const sender = new End()
    for (let i = 0; i < 5; i++) sender.deliver('x'.repeat(700))
    sender.write()
    sender.acknowledge(1)
    sender.session.deliveries.end(sender.queue.firstUnsent, null, null)
    expect(sender.fates).to.deep.equal([
      '1 handed',
      '2 ERR_FATE_UNKNOWN',
      '3 ERR_NOT_SENT',
      '4 ERR_NOT_SENT',
      '5 ERR_NOT_SENT'
    ])
  })
})
