import { writeJson } from '../encoding/json'
import { invalid } from '../errors/remote-error'
import { MAX_MESSAGE_BYTES } from '../wire/message'

export interface StateOptions {
  /** Default null. */
  readonly value?: unknown
  /**
   * Of this value. Default: the milliseconds since 1970, so that a device that starts anew does not give a revision again that it had
   * given to another value before.
   */
  readonly rev?: number
}

/** The state document of a device: a value of JSON, and a number that grows with each change. */
export class DeviceState {
  #value: unknown
  #json: string
  #rev: number
  readonly #maxBytes: number
  readonly #onChange: () => void

  /**
   * @param maxBytes of the value as JSON. Default 1 MiB.
   * @throws RemoteError `invalid` for a value as {@link set} takes none
   */
  constructor(
    { value = null, rev = Date.now() }: StateOptions,
    onChange: () => void = () => {},
    maxBytes = MAX_MESSAGE_BYTES
  ) {
    this.#maxBytes = maxBytes
    this.#json = stateJson(value, maxBytes)
    this.#value = value
    this.#rev = rev
    this.#onChange = onChange
  }

  get value(): unknown {
    return this.#value
  }

  get rev(): number {
    return this.#rev
  }

  /** The value as it was when it was set: what clients are told. */
  get json(): string {
    return this.#json
  }

  /**
   * @returns the new revision
   * @throws RemoteError `invalid` for a value that is no JSON, is nested too deep or is too long; the state stays as it was
   */
  set(value: unknown): number {
    this.#json = stateJson(value, this.#maxBytes)
    this.#value = value
    this.#rev++
    this.#onChange()
    return this.#rev
  }
}

function stateJson(value: unknown, maxBytes: number): string {
  const text = writeJson(value, maxBytes, (why, _, cause) => invalid('the state', why, { cause }))
  return text ?? 'null'
}
