import type { TokenStream } from '../../../lib'
import type { Play, TakingPlay } from '../../worlds/play'
import type { Talker } from '../../worlds/talker'

/** The place of one consumer in a play: which streams it has, and what they have lost. */
export class Seat implements TakingPlay {
  readonly streams = new Set<TokenStream>()
  lostInStreams = 0
  readonly takesByStreams = false
  readonly #play: Play

  constructor(play: Play) {
    this.#play = play
  }

  /** True while tokens lie in a stream that nobody has read out, or were lost there. */
  get isBuffered(): boolean {
    return this.lostInStreams > 0 || [...this.streams].some(stream => stream.readableLength > 0)
  }

  get chance() {
    return this.#play.chance
  }

  get clock() {
    return this.#play.clock
  }

  get counts() {
    return this.#play.counts
  }

  get setUp() {
    return this.#play.setUp
  }

  get aborts() {
    return this.#play.aborts
  }

  get isHealing(): boolean {
    return this.#play.isHealing
  }

  get isClean(): boolean {
    return this.#play.isClean
  }

  fail(why: string): void {
    this.#play.fail(why)
  }

  has(event: string): boolean {
    return this.#play.has(event)
  }

  entry(id: string) {
    return this.#play.entry(id)
  }

  pause(): Promise<void> {
    return this.#play.pause()
  }

  inListener(name: string, talker?: Talker | null): void {
    this.#play.inListener(name, talker)
  }
}
