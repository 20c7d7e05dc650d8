import type { PacketNumber } from './store'

/** As aedes-persistence-level writes them; `test/store/level-store.test.ts` holds that. */
export const RETAINED = 'retained:'
export const SUBSCRIPTIONS = 'subscriptions:'
export const INCOMING = 'incoming:'
export const OUTGOING = 'outgoing:'
export const OUTGOING_BY_ID = 'outgoing-id:'

export function outgoingKey(clientId: string, { brokerId, brokerCounter }: PacketNumber): string {
  return `${OUTGOING}${encodeURIComponent(clientId)}:${brokerId}:${padded(brokerCounter)}`
}

/** Numbers of one length sort as numbers. */
export function padded(value: number | null | undefined): string {
  return String(value).padStart(16, '0')
}

export function range(prefix: string): { gte: string; lt: string } {
  return { gte: prefix, lt: `${prefix.slice(0, -1)};` } // ";" follows ":"
}
