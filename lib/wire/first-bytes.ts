/** What the first bytes of a connection say that it speaks; `more` when they are too few to tell. */
export type FirstBytes = 'http' | 'mqtt' | 'unknown' | 'more'

/** Bytes with which {@link classify} never says `more`: the length of the HTTP/2 preface. */
export const MAX_FIRST_BYTES = 24

/** RFC 9113, 3.4. */
export const HTTP_2_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** The methods that Node's parser takes, written here so that node:http is not loaded for its list. */
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

/**
 * Which of the other protocols of a port a client speaks that named none by ALPN. Pass all bytes from the first
 * on; of more than {@link MAX_FIRST_BYTES} the rest is not looked at.
 *
 * No token within the default `maxTokenLength` is taken for one of them: read as a length, each is 256 MiB or more.
 */
export function classify(bytes: Uint8Array): FirstBytes {
  const length = Math.min(bytes.length, MAX_FIRST_BYTES)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1')
  const http = match(text, HTTP_OPENINGS)
  if (http === 'yes') return 'http'
  const mqtt = matchMqtt(text)
  if (mqtt === 'yes') return 'mqtt'
  return http === 'more' || mqtt === 'more' ? 'more' : 'unknown'
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
