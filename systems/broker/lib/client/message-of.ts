import { FrameError, type Header } from '../wire/token-frame'
import type { Sender, TopicMessage } from './topics'

/** Of a frame of the broker. @throws FrameError */
export function messageOf(header: Header, payload: Buffer): TopicMessage {
  const { topic, qos, sender, retain = false, attempt = 1 } = header
  const isMessage =
    typeof topic === 'string' &&
    (qos === 0 || qos === 1) &&
    isSender(sender) &&
    typeof retain === 'boolean' &&
    typeof attempt === 'number'
  if (!isMessage) throw new FrameError('a field of the message has a wrong value')
  return { topic, payload, qos, sender, retain, attempt }
}

function isSender(value: unknown): value is Sender | undefined {
  if (value === undefined) return true
  const { id, kind } = (value ?? {}) as Record<string, unknown>
  return typeof id === 'string' && typeof kind === 'string'
}
