interface Account {
  messages: number
  bytes: number
}

/** How much waits for each session. A queue that is full takes nothing more. */
export class QueueAccounts {
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #accounts = new Map<string, Account>()

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
  }

  hasRoom(clientId: string, bytes: number): boolean {
    const account = this.#accounts.get(clientId)
    if (account === undefined) return true
    return account.messages < this.#maxMessages && account.bytes + bytes <= this.#maxBytes
  }

  add(clientId: string, bytes: number): void {
    const account = this.#accounts.get(clientId)
    if (account === undefined) {
      this.#accounts.set(clientId, { messages: 1, bytes })
    } else {
      account.messages++
      account.bytes += bytes
    }
  }

  /** One message has left. Its size is not known any more once QoS 2 has replaced it by its PUBREL: it counts as the average. */
  remove(clientId: string): void {
    const account = this.#accounts.get(clientId)
    if (account === undefined) return
    account.bytes -= account.bytes / account.messages
    account.messages--
    if (account.messages === 0) this.#accounts.delete(clientId)
  }

  clear(clientId: string): void {
    this.#accounts.delete(clientId)
  }

  messages(clientId: string): number {
    return this.#accounts.get(clientId)?.messages ?? 0
  }
}
