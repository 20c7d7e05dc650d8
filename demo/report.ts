import { megabytes, perSecond, whole } from './format'
import type { ConnectionSeen, Result, Tally } from './messages'

const MIN_BYTES_FOR_SPEED = 1e6

/** One side's sight of the connection. */
export function connectionLines(who: string, other: string, seen: ConnectionSeen): string[] {
  const { peer } = seen
  return [
    `${who} verified the ${other}:`,
    `  subject      ${peer.subject.replaceAll('\n', ', ')}`,
    ...(peer.sans.length > 0 ? [`  names        ${peer.sans.join(', ')}`] : []),
    `  fingerprint  ${peer.fingerprint}`,
    `  valid to     ${peer.validTo.slice(0, 10)}`,
    `  protocol     ${seen.protocol} over ${seen.tls}, ${seen.cipher}`
  ]
}

export function isEqual({ sent, returned, isFramed }: Result): boolean {
  return isFramed && sent.sha256 === returned.sha256 && sent.tokens === returned.tokens
}

/** What the transfer measured. */
export function resultLines(result: Result): string[] {
  const { sent, returned, milliseconds, pings, p50, p99 } = result
  return [
    `sent         ${amountOf(sent)} of the file`,
    `returned     ${amountOf(returned)}`,
    `time         ${(milliseconds / 1000).toFixed(3)} s there and back${speedOf(sent, milliseconds)}`,
    `round trip   p50 ${p50.toFixed(3)} ms, p99 ${p99.toFixed(3)} ms (${whole(pings)} pings of 4 bytes afterwards, one at a time)`,
    `SHA-256      ${sent.sha256} sent`,
    `             ${returned.sha256} returned`,
    `             ${isEqual(result) ? 'equal' : 'NOT EQUAL'}`
  ]
}

/** Nothing for a file so small that its time is that of the first round trip. */
function speedOf({ tokens, bytes }: Tally, milliseconds: number): string {
  if (bytes < MIN_BYTES_FOR_SPEED) return ''
  const rate = `${whole(perSecond(tokens, milliseconds))} tokens/s, ${megabytes(perSecond(bytes, milliseconds))}/s`
  return `: ${rate} each way`
}

function amountOf({ tokens, bytes }: Tally): string {
  return `${whole(tokens)} ${tokens === 1 ? 'token' : 'tokens'}, ${whole(bytes)} bytes`
}
