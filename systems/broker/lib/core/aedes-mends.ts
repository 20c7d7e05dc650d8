import { Readable } from 'node:stream'
import type { Aedes } from 'aedes'
import type { Store } from '../store/store'
import type { AedesClient } from './member'

/**
 * aedes drops a message whose number is lower than that of one it has given to the client. But a message with QoS 1 or 2 gets its number
 * before it is stored, and is given out behind a later one with QoS 0 (moscajs/aedes#994): we look for duplicates ourselves.
 */
export const NO_DUPLICATES = new Proxy<Record<string, number>>(Object.create(null), {
  get: () => undefined,
  set: () => true,
  deleteProperty: () => true
})

/** A client that closes slowly must not take its successor with the same id out of the registry of aedes. */
export function keepRegistryRight(aedes: Aedes): void {
  const registry = aedes as unknown as {
    clients: Record<string, unknown>
    connectedClients: number
    unregisterClient(client: AedesClient): void
  }
  const unregister = registry.unregisterClient.bind(registry)
  registry.unregisterClient = client => {
    if (registry.clients[client.id] === client) return unregister(client)
    registry.connectedClients--
    aedes.emit('clientDisconnect', client)
  }
}

/** A client is not silent while it is not read: aedes counts from the packet that it read last. */
export function isNotSilent({ _keepaliveTimer }: AedesClient): void {
  _keepaliveTimer?.refresh()
}

const MOST_IDENTIFIERS = 65_535

/** Packet identifiers of messages that are stored as sent to a client, until it has acknowledged them. */
const IN_USE = new WeakMap<object, Set<number>>()

/**
 * aedes begins the packet identifiers of each connection at random and counts on, so that a new message may get that of one which was sent
 * before and is not acknowledged [MQTT-2.3.1-4]: then the one acknowledgement is taken for the other, and a message is lost. They go on
 * behind the last one that is sent again, leave out those that are in use (see {@link skipIdentifiersInUse}), and a connection that is closed
 * gives none any more: its successor has read which there are.
 */
export function keepIdentifiersApart(store: Store): Store {
  const sent = store.outgoingStream.bind(store)
  store.outgoingStream = client => Readable.from(goOnBehind(sent(client), client as AedesClient))
  const update = store.outgoingUpdate.bind(store)
  store.outgoingUpdate = (client, packet) => {
    if ((client as AedesClient).closed) {
      return Promise.reject(new Error('Cannot send a message: because the connection is closed'))
    }
    if (packet.messageId) IN_USE.get(client)?.add(packet.messageId)
    return update(client, packet)
  }
  const clear = store.outgoingClearMessageId.bind(store)
  store.outgoingClearMessageId = async (client, packet) => {
    const cleared = await clear(client, packet)
    if (packet.messageId) IN_USE.get(client)?.delete(packet.messageId)
    return cleared
  }
  return store
}

/** A client that leaves a message unacknowledged keeps its identifier, however many go past it. */
export function skipIdentifiersInUse(client: AedesClient): void {
  const inUse = new Set<number>()
  let next = client._nextId
  IN_USE.set(client, inUse)
  Object.defineProperty(client, '_nextId', {
    get: () => next,
    set: (identifier: number) => {
      next = identifier
      while (inUse.has(next) && inUse.size < MOST_IDENTIFIERS) next = behind(next)
    }
  })
}

async function* goOnBehind(sent: Readable, client: AedesClient): AsyncGenerator<unknown> {
  for await (const packet of sent) {
    const { messageId } = packet as { readonly messageId: number }
    IN_USE.get(client)?.add(messageId)
    client._nextId = behind(messageId)
    yield packet
  }
}

function behind(identifier: number): number {
  return (identifier % MOST_IDENTIFIERS) + 1
}
