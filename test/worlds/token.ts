/** Bytes of a token that say which one it is. */
export const TOKEN_HEAD = 16

const MAGIC = 0xfee1_600d
const ANSWER_MAGIC = 0xa450_0e12
/** A prime, so that no cut of a token at a round place looks like another one. */
const PATTERN = Buffer.from(Array.from({ length: 251 }, (_, at) => at))

/** A token that says which one it is: stream, number, length, and bytes that follow from these. */
export function simulatedToken(stream: number, number: number, length: number): Buffer {
  const whole = Math.max(length, TOKEN_HEAD)
  const turn = (number * 31 + stream) % PATTERN.length
  const token = Buffer.alloc(whole, Buffer.concat([PATTERN.subarray(turn), PATTERN.subarray(0, turn)]))
  token.writeUInt32BE(MAGIC, 0)
  token.writeUInt32BE(stream, 4)
  token.writeUInt32BE(number, 8)
  token.writeUInt32BE(whole, 12)
  return token
}

/** @throws Error when its bytes are not those that it was made with */
export function readSimulatedToken(token: Buffer): { stream: number; number: number } {
  if (tokenId(token) === null) throw new Error(`a token of ${token.length} bytes that nobody sent was handed`)
  const stream = token.readUInt32BE(4)
  const number = token.readUInt32BE(8)
  const length = token.readUInt32BE(12)
  if (length !== token.length || !token.equals(simulatedToken(stream, number, length))) {
    throw new Error(`token ${number} of stream ${stream} has other bytes than were sent`)
  }
  return { stream, number }
}

/** What a handler answers to that token: its bytes begin as no token does, and say whom they answer. */
export function simulatedAnswer(stream: number, number: number, length: number): Buffer {
  const turn = (number * 17 + stream * 7 + 1) % PATTERN.length
  const answer = Buffer.alloc(length, Buffer.concat([PATTERN.subarray(turn), PATTERN.subarray(0, turn)]))
  const head = Buffer.alloc(TOKEN_HEAD)
  head.writeUInt32BE(ANSWER_MAGIC, 0)
  head.writeUInt32BE(stream, 4)
  head.writeUInt32BE(number, 8)
  head.writeUInt32BE(length, 12)
  // What is shorter than the head has its end, with the number and the length.
  head.reverse().copy(answer)
  return answer
}

/** Which token begins with these bytes; null for none. */
export function tokenId(start: Buffer): string | null {
  if (start.length < TOKEN_HEAD || start.readUInt32BE(0) !== MAGIC) return null
  return `${start.readUInt32BE(4)}/${start.readUInt32BE(8)}`
}
