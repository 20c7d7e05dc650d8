import { invalid, RemoteError } from '../errors/remote-error'
import { within } from '../time/within'

/** A token, or a function that is called for each connection. */
export type Jwt = string | (() => string | Promise<string>)

/** Proves to a relay who this is. */
export class Token {
  #jwt: Jwt | undefined
  readonly #timeout: number

  /** @param timeout milliseconds until a function must have given a token */
  constructor(jwt: Jwt | undefined, timeout: number) {
    this.#jwt = jwt
    this.#timeout = timeout
  }

  /** @throws (rejects) RemoteError `disconnected`, reason `no-token` */
  async get(): Promise<string | undefined> {
    const jwt = this.#jwt
    if (typeof jwt !== 'function') return jwt
    const late = () => noToken(`took longer than ${this.#timeout} ms`)
    const token: unknown = await within(this.#timeout, undefined, late, async () => {
      try {
        return await jwt()
      } catch (cause) {
        throw noToken('threw', cause)
      }
    })
    if (typeof token !== 'string') throw noToken('gave no text')
    return token
  }

  /**
   * A fresh token, for the connection that is open and for later ones.
   *
   * @param jwt undefined: what the function gives now
   * @param show shows it to the relay; what it throws as `refused` lets the token of before count
   * @throws (rejects) RemoteError `invalid`, `disconnected`, and what `show` throws
   */
  async renew(jwt: string | undefined, show: (token: string) => Promise<void> | undefined): Promise<void> {
    const before = this.#jwt
    if (jwt !== undefined && typeof jwt !== 'string') throw invalid('the token', 'it is no text')
    if (jwt === undefined && typeof before !== 'function')
      throw invalid('renewJwt()', 'it names no token, and the option jwt is no function')
    if (jwt !== undefined) this.#jwt = jwt
    try {
      await show((await this.get()) as string)
    } catch (error) {
      if (error instanceof RemoteError && error.code === 'refused' && this.#jwt === jwt) this.#jwt = before
      throw error
    }
  }
}

function noToken(what: string, cause?: unknown): RemoteError {
  return new RemoteError('disconnected', `Cannot connect: because the function jwt ${what}`, {
    reason: 'no-token',
    ...(cause !== undefined && { cause })
  })
}
