/** Of incoming QoS 2 packets whose PUBREL has not come: packet identifiers by client. */
export class IncomingIds {
  readonly #byClient = new Map<string, Set<number>>()

  add(clientId: string, id: number): void {
    const ids = this.#byClient.get(clientId)
    if (ids === undefined) this.#byClient.set(clientId, new Set([id]))
    else ids.add(id)
  }

  has(clientId: string, id: number): boolean {
    return this.#byClient.get(clientId)?.has(id) ?? false
  }

  /** @returns none of the client is left */
  delete(clientId: string, id: number): boolean {
    const ids = this.#byClient.get(clientId)
    ids?.delete(id)
    return ids?.size === 0 && this.clear(clientId)
  }

  /** @returns there were some */
  clear(clientId: string): boolean {
    return this.#byClient.delete(clientId)
  }
}
