import { isLonger } from '../encoding/bytes'
import { isDeep } from '../encoding/json'
import { invalid, RemoteError } from '../errors/remote-error'
import { MAX_EVENT_LENGTH, MAX_MESSAGE_BYTES } from '../wire/message'

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
  let text: string | undefined
  let cause: unknown
  try {
    text = JSON.stringify(payload)
  } catch (error) {
    cause = error
  }
  // A function and a symbol become nothing, without an error.
  if (text === undefined && payload !== undefined)
    throw new RemoteError('invalid', 'Cannot use the payload: because it is no JSON', { cause, event })
  if (event !== last.event) last = { event, json: JSON.stringify(event) }
  const body = `${last.json},${text ?? 'null'}`
  if (isDeep(body)) throw invalid('the payload', 'it is nested too deep')
  if (isLonger(body, MAX_MESSAGE_BYTES - 256))
    throw invalid('the payload', `it is longer than ${MAX_MESSAGE_BYTES} bytes`)
  return body
}
