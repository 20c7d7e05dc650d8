import type { Revocations } from '@token-server/identity'
import type { Bus } from '@token-server/service'
import type { AedesPacket } from '../core/aedes-packet'
import type { Counters } from '../core/counters'
import type { Log } from '../core/log'
import type { Store } from '../store/store'
import { Cluster, type ClusterOptions } from './cluster'
import { LostWills } from './lost-wills'

export interface JoinOptions extends Pick<ClusterOptions, 'clientIds' | 'isHere' | 'onTaken'> {
  readonly brokerId: string
  /** undefined: this broker is the only one. */
  readonly bus: Bus | undefined
  readonly revocations: Revocations
  readonly store: Store
  readonly counters: Counters
  readonly log: Log
  readonly publish: (packet: AedesPacket) => Promise<void>
  /** Looks through the queues of all sessions that are connected here. */
  readonly recover: () => void
}

/** What a broker owes to others: to those beside it, and to those that are gone. */
export interface Membership {
  /** A client, or a session of another door, is connected here. */
  announce(clientId: string): void
  close(): void
}

export function joinCluster({ bus, brokerId, publish, recover, ...options }: JoinOptions): Membership {
  const { store, counters, log, revocations, clientIds, isHere, onTaken } = options
  const wills = new LostWills({ brokerId, store, counters, log, isShared: bus !== undefined, publish })
  const cluster =
    bus &&
    new Cluster({
      bus,
      revocations,
      counters,
      log,
      clientIds,
      isHere,
      onTaken,
      onSilence: () => wills.hurry(),
      onMissed: () => {
        if (store.whyDown === undefined) recover() // else when it is back
      }
    })
  return {
    announce: clientId => cluster?.announce(clientId),
    close: () => {
      wills.close()
      cluster?.leave()
    }
  }
}
