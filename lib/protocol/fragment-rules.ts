import { protocolError, type TokenError } from '../errors/token-error'
import { tokenTooLarge } from '../wire/frame-refusal'
import { MIN_PART_LENGTH } from '../wire/header'

/**
 * The order of PART, ABORT, REQUEST, ANSWER and data frames, `docs/wire-format.md` sections 12 and 18. Judges lengths as
 * they are read.
 *
 * ```
 *              PART                   data
 *  between ──────────▶ announced ─────────────▶ begun ──┐
 *    │ ▲                   ▲                    │ │     │ any control frame
 *    │ │ data (whole),     └────────PART────────┘ │     │ but END and HELLO
 *    └─┘ ABORT                                    ◀─────┘
 *      ▲───────── data (the last part), ABORT ────┘
 * ```
 *
 * What is not drawn is refused. `announced` takes its data frame and nothing else. REQUEST stands in `between` and takes
 * PART or a data frame; ANSWER stands in `between` and `begun`, takes one data frame, and leaves the state as it was.
 */
export class FragmentRules {
  readonly #maxTokenLength: number
  readonly #maxSum: number
  /** Data frames that were the first of their token. */
  tokensBegun = 0
  #isAnnounced = false
  #isBegun = false
  #isRequested = false
  /** ANSWER was read, and its data frame was not. */
  isAnswer = false
  #sum = 0

  /**
   * @param maxTokenLength of a data frame, bytes, and of a token
   * @param maxStreamLength of a token in parts, where that is more; 0: it is not
   */
  constructor(maxTokenLength: number, maxStreamLength: number) {
    this.#maxTokenLength = maxTokenLength
    this.#maxSum = Math.max(maxTokenLength, maxStreamLength)
  }

  /** True between the parts of a token. */
  get isBegun(): boolean {
    return this.#isBegun
  }

  /** The same, and from the first PART on. */
  get isMidToken(): boolean {
    return this.#isBegun || this.#isAnnounced
  }

  /** A data frame begins. @returns why it may not */
  data(length: number): TokenError | null {
    if (length > this.#maxTokenLength) return tokenTooLarge(length, this.#maxTokenLength)
    this.#isRequested = false
    if (!this.#isBegun) this.tokensBegun++
    if (!this.#isAnnounced && !this.#isBegun) return null
    this.#sum += length
    if (this.#sum > this.#maxSum) return tokenTooLarge(this.#sum, this.#maxSum)
    if (this.#isAnnounced && length < MIN_PART_LENGTH) {
      return refuse(
        'a part',
        `its length is ${length} bytes, all but the last must have at least ${MIN_PART_LENGTH}`
      )
    }
    this.#isBegun = this.#isAnnounced
    this.#isAnnounced = false
    if (!this.#isBegun) this.#sum = 0
    return null
  }

  /** @returns why PART may not stand here */
  part(): TokenError | null {
    this.#isRequested = false
    const fault = this.control('PART')
    this.#isAnnounced = true
    return fault
  }

  /** @returns why REQUEST may not stand here */
  request(): TokenError | null {
    const fault = this.#isBegun
      ? refuse('REQUEST', 'a token was begun and has no last part')
      : this.control('REQUEST')
    this.#isRequested = true
    return fault
  }

  /** ANSWER stands here: its data frame comes next. */
  answer(): void {
    this.isAnswer = true
  }

  /** The data frame of an answer begins. @returns why it may not */
  answerData(length: number): TokenError | null {
    this.isAnswer = false
    return length > this.#maxTokenLength ? tokenTooLarge(length, this.#maxTokenLength) : null
  }

  /** @returns why ABORT may not stand here */
  abort(): TokenError | null {
    const fault = this.control('ABORT')
    this.#isBegun = false
    this.#sum = 0
    return fault
  }

  /** @returns why another control frame of this name may not stand here */
  control(name: string): TokenError | null {
    if (this.#isAnnounced) return refuse(name, 'the data frame that PART announced must come')
    if (this.isAnswer) return refuse(name, 'the data frame of the answer must come')
    if (this.#isRequested) return refuse(name, 'the token that asks for an answer must come')
    return this.#isBegun && name === 'END' ? refuse(name, 'a token was begun and has no last part') : null
  }
}

function refuse(what: string, why: string): TokenError {
  return protocolError('protocol-error', `Cannot accept ${what} here: ${why}`)
}
