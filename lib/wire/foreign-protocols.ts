import { HEADER_LENGTH } from './header'

/** The protocol that the first bytes of a connection show; `more` when they are too few to tell. */
export type FirstBytes = 'http' | 'mqtt' | 'unknown' | 'more'

/** Bytes that are looked at, as many as the HTTP/2 preface has: with so many {@link classify} never says `more`. */
export const MAX_FIRST_BYTES = 24

/** RFC 9113, 3.4. */
const HTTP_2_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** The methods that Node's parser takes; to import its list would load node:http. */
const HTTP_METHODS =
  'GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH QUERY ACL BIND CHECKOUT COPY LINK LOCK M-SEARCH MERGE ' +
  'MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE REBIND REPORT SEARCH SOURCE SUBSCRIBE UNBIND ' +
  'UNLINK UNLOCK UNSUBSCRIBE'

/** A method is case-sensitive and ends in a space (RFC 9112, 3). */
const HTTP_OPENINGS: readonly string[] = [
  ...HTTP_METHODS.split(' ').map(method => `${method} `),
  HTTP_2_PREFACE
]

/** Fixed header of CONNECT, the first packet of each client [MQTT-3.1.0-1]. */
const MQTT_CONNECT = 0x10

/** The protocol name behind the fixed header: of MQTT 3.1.1 and 5 [MQTT-3.1.2-1], and of 3.1. */
const MQTT_NAMES: readonly string[] = ['\x00\x04MQTT', '\x00\x06MQIsdp']

/** Bytes of the longest Remaining Length (MQTT 5, 1.5.5). */
const MQTT_MAX_LENGTH_BYTES = 4

/** Four characters, which are a length over 150 MB, or a shorter line. */
const TEXT = /^(?:[\t\x20-\x7e][\t\r\n\x20-\x7e\x80-\xff]{3}|[\t\x20-\x7e]{0,2}\n)/

/**
 * Tells which of the other protocols on a port a client speaks that named none by ALPN. Pass all bytes from the first on; it
 * looks at {@link MAX_FIRST_BYTES} of them.
 *
 * It takes no token within the default `maxTokenLength` for one of them: read as a length, each is 256 MiB or more.
 */
export function classify(bytes: Uint8Array): FirstBytes {
  const text = textOf(bytes)
  const http = match(text, HTTP_OPENINGS)
  if (http === 'yes') return 'http'
  const mqtt = matchMqtt(text)
  if (mqtt === 'yes') return 'mqtt'
  return http === 'more' || mqtt === 'more' ? 'more' : 'unknown'
}

/**
 * Names what a peer speaks whose first bytes are no frame, for the message of an error, and quotes none of them.
 *
 * @param bytes as for {@link classify}, at least four for most answers
 * @returns null for an unknown protocol
 */
export function diagnose(bytes: Uint8Array): string | null {
  const text = textOf(bytes)
  if (isTls(bytes)) return 'a TLS record'
  if (text.startsWith('HTTP')) return 'an HTTP response'
  const http = match(text, HTTP_OPENINGS)
  if (http === 'yes' || (http === 'more' && text.length >= HEADER_LENGTH)) return 'an HTTP request'
  return TEXT.test(text) ? 'text without a length before it, as token-server 1.x sends' : null
}

/** RFC 8446, 5.1: the type (alert, handshake, data), then a version of 3.x. */
function isTls([type = 0, major, minor = 0xff]: Uint8Array): boolean {
  return type >= 0x15 && type <= 0x17 && major === 3 && minor <= 4
}

function textOf(bytes: Uint8Array): string {
  const length = Math.min(bytes.length, MAX_FIRST_BYTES)
  return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1')
}

type Match = 'yes' | 'no' | 'more'

function matchMqtt(text: string): Match {
  if (text === '') return 'more'
  if (text.charCodeAt(0) !== MQTT_CONNECT) return 'no'
  for (let i = 1; i <= MQTT_MAX_LENGTH_BYTES; i++) {
    if (i === text.length) return 'more'
    const isLast = text.charCodeAt(i) < 0x80
    if (isLast) return match(text.slice(i + 1), MQTT_NAMES)
  }
  return 'no'
}

function match(text: string, openings: readonly string[]): Match {
  if (openings.some(opening => text.startsWith(opening))) return 'yes'
  return openings.some(opening => opening.startsWith(text)) ? 'more' : 'no'
}
