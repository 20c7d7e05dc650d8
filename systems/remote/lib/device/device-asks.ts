import { fieldOf } from '../encoding/json'
import { Json, refusedError } from './answers'
import type { ClientRecord, DeviceSession } from './command'
import type { DeviceHubOptions, HubKeys } from './device-hub-options'
import type { DeviceState } from './device-state'
import type { Lease } from './lease'

export interface DeviceAsksOptions extends Pick<DeviceHubOptions, 'name' | 'events' | 'watch'> {
  readonly ring: HubKeys
  readonly state: DeviceState
  readonly lease: Lease
  readonly watchers: Map<ClientRecord, DeviceSession>
}

const MIN_LEASE_TIME = 1

/** What the scope of a phone must name, as an event, that is to have the device for itself. */
const LEASE = 'lease'

/** What clients may ask of any device, and its handler never sees. */
export function deviceAsks({
  ring,
  state,
  lease,
  watchers,
  name,
  events = {},
  watch = false
}: DeviceAsksOptions) {
  const check = ({ keyId }: DeviceSession, event?: string) => {
    const may = ring.mayUse(keyId, event)
    if (may !== true) throw refusedError('this key may not do it', may)
  }
  const leaseFor = ({ record }: DeviceSession) => {
    const { holder } = lease
    if (holder === undefined) return undefined
    return {
      by: ring.nameOf(holder.keyId) ?? holder.keyId,
      mine: holder === record,
      remaining: lease.remaining
    }
  }
  const known = (session: DeviceSession) => {
    const lease = JSON.stringify(leaseFor(session))
    return new Json(
      `{"value":${state.json},"rev":${state.rev}${lease === undefined ? '' : `,"lease":${lease}`}}`
    )
  }
  return {
    describe: (_: unknown, session: DeviceSession) => {
      check(session)
      const own = Object.entries(events).filter(([event]) => ring.mayUse(session.keyId, event) === true)
      return { name, watch, events: Object.fromEntries(own) }
    },
    state: (_: unknown, session: DeviceSession) => {
      check(session)
      return known(session)
    },
    lease: (payload: unknown, session: DeviceSession) => {
      check(session, LEASE)
      const time = fieldOf(payload, 'time')
      if (!(typeof time === 'number' && time >= MIN_LEASE_TIME))
        throw refusedError('the time of a lease is no number of milliseconds', 'bad-lease')
      if (!lease.take(session.record, time))
        throw refusedError('somebody else has the device for themselves', 'leased')
      return leaseFor(session)
    },
    release: (_: unknown, { record }: DeviceSession) => lease.release(record),
    watch: (_: unknown, session: DeviceSession) => {
      check(session)
      if (!watch) throw refusedError('the device lets nobody watch', 'not-allowed')
      if (session.session === undefined)
        throw refusedError('only who keeps a connection can watch', 'not-allowed')
      watchers.set(session.record, session)
      return known(session)
    },
    unwatch: (_: unknown, session: DeviceSession) => void watchers.delete(session.record)
  }
}
