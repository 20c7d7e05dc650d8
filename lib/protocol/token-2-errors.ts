import { closeCodeName, type WireCloseCode } from '../errors/close-codes'
import { escaped } from '../errors/escaped'
import { protocolError, TokenError } from '../errors/token-error'
import type { CloseFrame } from '../wire/control-frame'

/** Bytes that a server holds of a client that it has not accepted yet. */
export const MAX_HELD_BYTES = 64 * 1024

export function unexpected(what: string, wanted: string): TokenError {
  return protocolError('protocol-error', `Cannot accept ${what} here: ${wanted} must come`)
}

export function noCredit(): TokenError {
  return protocolError('flow-control', 'Cannot receive a token: the peer had no credit to send it')
}

export function tooMuchBeforeAcceptance(): TokenError {
  return protocolError(
    'protocol-error',
    `Cannot hold more of the peer: it sent over ${MAX_HELD_BYTES} bytes before it was accepted`
  )
}

export function refused(frame: CloseFrame): TokenError {
  const closeCode = closeCodeName(frame.code)
  return new TokenError('ERR_REFUSED', `Cannot connect: the server refused this client with ${said(frame)}`, {
    closeCode
  })
}

export function peerClosed(frame: CloseFrame): TokenError {
  const closeCode = closeCodeName(frame.code)
  return new TokenError(
    'ERR_PEER_CLOSED',
    `Cannot go on: the peer closed the connection with ${said(frame)}`,
    { closeCode }
  )
}

/** A close code about a certificate says less than the peer knows: where more of it stands, and what may help. */
const WORDS: Partial<Record<WireCloseCode, string>> = {
  'certificate-expired': "by the peer's clock this side's certificate has ended, or does not hold yet",
  'certificate-required': 'set key and cert',
  'certificate-unknown': "the peer does not trust this side's certificate, and its log says why"
}

function said(frame: CloseFrame): string {
  const code = closeCodeName(frame.code)
  const reason = frame.reason === '' ? '' : `, ${escaped(JSON.stringify(frame.reason))}`
  return `${code}${reason}${WORDS[code] === undefined ? '' : `: ${WORDS[code]}`}`
}

export function endedWithoutClose(): TokenError {
  return new TokenError('ERR_LOST', 'Cannot go on: the peer ended the transport without saying CLOSE')
}

export function heartbeatError(heartbeat: number): TokenError {
  return new TokenError(
    'ERR_HEARTBEAT_TIMEOUT',
    `Cannot reach the peer: not a byte came for two heartbeats of ${heartbeat} ms`
  )
}
