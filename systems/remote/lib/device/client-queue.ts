/**
 * What one client has in the queue of the device: a phone with a key of its own, through all of its connections; under another key, which
 * tells nobody from anybody, one client object.
 */
export class ClientQueue<Command extends { next: Command | undefined }> {
  /** Commands that wait or run. */
  size = 0
  // A chain of the commands themselves: an array would be moved by one place for each that is taken.
  #first: Command | undefined
  #last: Command | undefined

  get hasWaiting(): boolean {
    return this.#first !== undefined
  }

  push(command: Command): void {
    if (this.#last === undefined) this.#first = command
    else this.#last.next = command
    this.#last = command
  }

  shift(): Command | undefined {
    const command = this.#first
    if (command !== undefined) this.#unlink(command, undefined)
    return command
  }

  /** @returns false when it does not wait here */
  remove(command: Command): boolean {
    let before: Command | undefined
    for (let each = this.#first; each !== undefined; each = each.next) {
      if (each === command) {
        this.#unlink(command, before)
        return true
      }
      before = each
    }
    return false
  }

  /** In their order. */
  *waiting(): Iterable<Command> {
    for (let each = this.#first; each !== undefined; each = each.next) yield each
  }

  #unlink(command: Command, before: Command | undefined): void {
    if (before === undefined) this.#first = command.next
    else before.next = command.next
    if (this.#last === command) this.#last = before
    command.next = undefined
  }
}
