import { ReadMetrics } from '@token-server/service'
import type { Registry } from 'prom-client'
import type { Relay } from '../relay/relay'
import { COUNTER_MEANINGS, type RelayCounters } from '../relay/relay-counters'

const GAUGES = {
  clients: 'Clients that are connected, waiting ones included',
  devices: 'Devices that are connected',
  rememberedDevices: 'Devices that were connected',
  devicesElsewhere: 'Devices of other relays',
  waiting: 'Clients that wait for a device, or to be refused',
  otherRelays: 'Other relays on the bus',
  waitingBytes: 'Bytes that wait for receivers'
} as const satisfies Record<keyof Relay['now'], string>

/** Shows what a relay counts: read when somebody asks, so that counting costs nothing. */
export function relayMetrics(relay: Relay, registry: Registry): void {
  const metrics = new ReadMetrics(registry)
  for (const [name, help] of Object.entries(GAUGES) as [keyof Relay['now'], string][])
    metrics.gauge(`relay_${snake(name)}`, help, () => relay.now[name])
  for (const [name, help] of Object.entries(COUNTER_MEANINGS) as [keyof RelayCounters, string][])
    metrics.counter(`relay_${snake(name)}_total`, help, () => relay.counters[name])
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
