/** A token that says which one it is: stream, number, and bytes that follow from these. */
export function simulatedToken(stream: number, number: number, length: number): Buffer {
  const token = Buffer.alloc(Math.max(length, HEAD), number & 0xff)
  token.writeUInt32BE(stream, 0)
  token.writeUInt32BE(number, 4)
  return token
}

/** @throws Error when its bytes are not those that it was made with */
export function readSimulatedToken(token: Buffer): { stream: number; number: number } {
  const stream = token.readUInt32BE(0)
  const number = token.readUInt32BE(4)
  if (!token.equals(simulatedToken(stream, number, token.length))) {
    throw new Error(`token ${number} of stream ${stream} has other bytes than were sent`)
  }
  return { stream, number }
}

const HEAD = 8
