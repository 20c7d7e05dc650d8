import type { Registry } from 'prom-client'
import type { HttpDoor } from '../http/http-door'
import { ReadMetrics } from './read-metrics'

/** What the HTTP of a port counts, read when somebody asks for it. */
export function httpMetrics(door: HttpDoor, register: Registry): void {
  const metrics = new ReadMetrics(register)
  const answered = 'Requests that were answered, by the class of the status'
  metrics.counterBy('status', 'http_answers_total', answered, () => door.answered)
  metrics.gauge('websockets_open', 'WebSockets that are open', () => door.openWebSockets)
}
