import type { ConnectionInfo } from './broker-options'
import type { Connection } from './connection'
import { type AedesClient, MEMBER, type Member } from './member'

/** Those that are open: of MQTT, and of the other doors. */
export class Connections {
  readonly #byClient = new Map<AedesClient, Connection>()
  readonly #doors: (() => Iterable<ConnectionInfo>)[] = []

  add(client: AedesClient, connection: Connection): void {
    this.#byClient.set(client, connection)
  }

  remove(client: AedesClient): void {
    this.#byClient.delete(client)
  }

  addDoor(connections: () => Iterable<ConnectionInfo>): void {
    this.#doors.push(connections)
  }

  of(client: AedesClient): Connection | undefined {
    return this.#byClient.get(client)
  }

  [Symbol.iterator](): Iterator<Connection> {
    return this.#byClient.values()
  }

  /** Those that are authenticated. */
  *members(): Iterable<Member> {
    for (const { [MEMBER]: member } of this.#byClient.keys()) if (member !== undefined) yield member
  }

  /** Those for which at least so many bytes wait. There may be many that are looked through for a few. */
  *infos(minWaitingBytes: number): IterableIterator<ConnectionInfo> {
    for (const member of this.members()) {
      const waitingBytes = member.client.conn.writableLength + member.turnBytes
      if (waitingBytes < minWaitingBytes) continue
      const { facts, filters, connection } = member
      yield { ...facts, since: connection.openedAt, subscriptions: [...filters], waitingBytes }
    }
    for (const connectionsOf of this.#doors) {
      for (const info of connectionsOf()) if (info.waitingBytes >= minWaitingBytes) yield info
    }
  }

  /** What the log says of it. */
  factsOf(client: AedesClient | undefined, { id, from }: Connection) {
    const { address } = from
    return client?.[MEMBER]?.facts ?? { connection: id, ...(address === undefined ? {} : { address }) }
  }
}
