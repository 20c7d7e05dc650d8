/** A token that asks for an answer, as it waits in the queue. */
export class Request {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get length(): number {
    return this.bytes.length
  }
}
