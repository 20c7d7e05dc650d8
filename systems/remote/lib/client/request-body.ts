import { writeJson } from '../encoding/json'
import { invalid } from '../errors/remote-error'
import { MAX_EVENT_LENGTH, MAX_MESSAGE_BYTES } from '../wire/message'

/** Beside them a message has its number and its options. */
const MAX_PAYLOAD_BYTES = MAX_MESSAGE_BYTES - 2_048

/** Events come again and again. */
let last = { event: '', json: '""' }

/**
 * The event and the payload as they stand in a message.
 *
 * @throws RemoteError `invalid`
 */
export function bodyOf(event: string, payload: unknown): string {
  if (typeof event !== 'string' || event.length === 0 || event.length > MAX_EVENT_LENGTH)
    throw invalid('the event', `it is no text of 1 to ${MAX_EVENT_LENGTH} characters`)
  if (event !== last.event) last = { event, json: JSON.stringify(event) }
  const text = writeJson(payload, MAX_PAYLOAD_BYTES, (why, _, cause) =>
    invalid('the payload', why, { cause, event })
  )
  return `${last.json},${text ?? 'null'}`
}
