/** What the client's side of one connection has read on the wire, by a reader that is not the library's. */
export class WireCounts {
  /** The largest count in an ACK or a CLOSE. */
  covered = 0
  closes = 0
  #unread = Buffer.alloc(0)

  read(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk])
    while (this.#unread.length >= 4) {
      const head = this.#unread.readUInt32BE()
      if (head < 0x8000_0001 || head > 0x8000_0400) throw new Error(`Cannot read a head of ${head}`)
      const end = head - 0x8000_0000 + 4
      if (this.#unread.length < end) return
      this.#frame(this.#unread.subarray(4, end))
      this.#unread = this.#unread.subarray(end)
    }
  }

  #frame(body: Buffer): void {
    if (body[0] === 0x87) this.covered = Number(body.readBigUInt64BE(1))
    if (body[0] !== 0x89) return
    this.covered = Number(body.readBigUInt64BE(3))
    this.closes++
  }
}
