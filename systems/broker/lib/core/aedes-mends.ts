import { randomUUID } from 'node:crypto'
import type { Aedes } from 'aedes'
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

/** An id for a broker that sorts behind those of earlier starts: the queues of a LevelStore are sorted by it first. */
export function sortableId(): string {
  return `${Date.now().toString(36).padStart(9, '0')}-${randomUUID()}`
}
