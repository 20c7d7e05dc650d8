import { randomUUID } from 'node:crypto'
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

/**
 * aedes begins the packet identifiers of each connection at random, so that a new message may get that of one which was sent before and is
 * not acknowledged [MQTT-2.3.1-4]: then the one acknowledgement is taken for the other. They go on behind the last one that is sent again.
 */
export function keepIdentifiersApart(store: Store): Store {
  const sent = store.outgoingStream.bind(store)
  store.outgoingStream = client => Readable.from(goOnBehind(sent(client), client as AedesClient))
  return store
}

async function* goOnBehind(sent: Readable, client: AedesClient): AsyncGenerator<unknown> {
  for await (const packet of sent) {
    const { messageId } = packet as { readonly messageId: number }
    client._nextId = (messageId % 65_535) + 1
    yield packet
  }
}

/** An id for a broker that sorts behind those of earlier starts: the queues of a LevelStore are sorted by it first. */
export function sortableId(): string {
  return `${Date.now().toString(36).padStart(9, '0')}-${randomUUID()}`
}
