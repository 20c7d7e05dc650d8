/** A token that begins with its id, u32; the rest follows from the id. At least 4 bytes. */
export function numberedToken(id: number, length = 4): Buffer {
  const token = Buffer.alloc(Math.max(length, 4), `${id}·`)
  token.writeUInt32BE(id)
  return token
}

export function idOf(token: Buffer): number {
  return token.readUInt32BE()
}

/** The ids that a server wrote into its journal, in order. */
export function idsIn(journal: Buffer): number[] {
  return Array.from({ length: Math.floor(journal.length / 4) }, (_, i) => journal.readUInt32BE(i * 4))
}
