import type { Connection, Forward } from '../connection/connection'

/** Takes the tokens of one connection of a client. */
export class ClientForward implements Forward {
  connection: Connection | null = null
  readonly #isWanted: (connection: Connection | null) => boolean
  readonly take: (token: Buffer, connection: Connection) => void

  constructor(
    isWanted: (connection: Connection | null) => boolean,
    take: (token: Buffer, connection: Connection) => void
  ) {
    this.#isWanted = isWanted
    this.take = take
  }

  get isWanting(): boolean {
    return this.#isWanted(this.connection)
  }
}
