import { Counter, Gauge, type Registry } from 'prom-client'
import type { HttpDoor } from '../http/http-door'

/** What the HTTP of a port counts, read when somebody asks for it. */
export function httpMetrics(door: HttpDoor, register: Registry): void {
  const registers = [register]
  new Counter({
    name: 'http_answers_total',
    help: 'Requests that were answered, by the class of the status',
    registers,
    labelNames: ['status'],
    collect() {
      this.reset()
      for (const [status, count] of Object.entries(door.answered)) this.inc({ status }, count)
    }
  })
  new Gauge({
    name: 'websockets_open',
    help: 'WebSockets that are open',
    registers,
    collect() {
      this.set(door.openWebSockets)
    }
  })
}
