import { parseArgs } from 'node:util'
import { SMALLEST_PAYLOAD } from './load/payload'

export const PEERS = ['ours', 'stock', 'mosquitto'] as const

export type PeerName = (typeof PEERS)[number]

/** What is measured. */
export interface BenchOptions {
  readonly connections: number
  /** Of all connections together: a multiple of them. */
  readonly subscriptions: number
  /** Subscribers of each topic. */
  readonly fanOut: number
  /** Messages published a second, of all publishers together; of the first round, with `climb`. */
  readonly rate: number
  /** Of one round. */
  readonly seconds: number
  /** Of each peer; the most, with `climb`. */
  readonly rounds: number
  /** Whether each round has a higher rate, until a peer falls behind. */
  readonly climb: boolean
  readonly qos: 0 | 1 | 2
  /** Bytes. */
  readonly payload: number
  readonly tls: boolean
  readonly peers: readonly PeerName[]
  /** Whether the peers were named: then one that is not installed is an error. */
  readonly arePeersNamed: boolean
  /** Processes that subscribe; one more publishes. */
  readonly processes: number
  /** The file of the results. */
  readonly json: string
}

const SUBSCRIPTIONS_EACH = 5

/** Deliveries a second when `--fan-out` stands without `--rate`. */
const FAN_OUT_DELIVERIES = 40_000

const MOST_CLIMBS = 20

export const USAGE = `npm run bench -w @token-server/broker -- [options]

Loads the broker from other processes, and two others beside it in the same run: aedes as it is ("stock", without JWT) and mosquitto,
when it is installed. The rounds of the peers alternate. Each message is counted and checked. The exit code is 0 when ours lost none and
was in time, 1 when not, 2 when the run was not possible.

  --subscriptions N   50,000; with --fan-out 5 times its number
  --connections N     a fifth of the subscriptions
  --fan-out N         subscribers of each topic: 1
  --rate N            messages published a second: 5,000; with --fan-out what makes 40,000 deliveries a second
  --seconds N         of a round: 5
  --rounds N          of each peer: 3
  --climb             each round at 1.25 times the rate of the one before, until a peer falls behind twice at the same
  --qos 0|1|2         of publishers and subscriptions: 0
  --payload N         bytes: 128
  --tls               TLS 1.3; ours is the whole server then, else the broker alone
  --peers LIST        ours,stock,mosquitto
  --processes N       that subscribe: 2
  --json FILE         of the results: broker-bench.json
  --help              prints this
`

/** A command line that can't be run, in words. */
export class UsageError extends Error {}

/**
 * @returns undefined: help was asked for
 * @throws UsageError
 */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const given = parsed(args)
  if (given.help === true) return undefined
  const number = (name: keyof typeof given, lowest: number, highest: number, otherwise: number) => {
    const text = given[name]
    if (typeof text !== 'string') return otherwise
    const value = Number(text.replaceAll(/[,_]/g, ''))
    if (Number.isSafeInteger(value) && value >= lowest && value <= highest) return value
    throw new UsageError(`--${name} must be a whole number from ${lowest} to ${highest}, and is "${text}"`)
  }
  const fanOut = number('fan-out', 1, 1_000_000, 1)
  const subscriptions = number(
    'subscriptions',
    1,
    10_000_000,
    fanOut === 1 ? 50_000 : SUBSCRIPTIONS_EACH * fanOut
  )
  const connections = number(
    'connections',
    1,
    1_000_000,
    Math.max(1, Math.floor(subscriptions / SUBSCRIPTIONS_EACH))
  )
  if (subscriptions % connections !== 0) {
    throw new UsageError(
      `--subscriptions must be a multiple of --connections: ${subscriptions} is none of ${connections}`
    )
  }
  if (connections % fanOut !== 0) {
    throw new UsageError(`--connections must be a multiple of --fan-out: ${connections} is none of ${fanOut}`)
  }
  const climb = given.climb === true
  const peers = peersOf(given.peers)
  return {
    connections,
    subscriptions,
    fanOut,
    rate: number('rate', 1, 1_000_000, fanOut === 1 ? 5_000 : Math.ceil(FAN_OUT_DELIVERIES / fanOut)),
    seconds: number('seconds', 1, 3_600, 5),
    rounds: number('rounds', 1, 1_000, climb ? MOST_CLIMBS : 3),
    climb,
    qos: number('qos', 0, 2, 0) as 0 | 1 | 2,
    payload: number('payload', SMALLEST_PAYLOAD, 200_000, 128),
    tls: given.tls === true,
    peers: peers ?? PEERS,
    arePeersNamed: peers !== undefined,
    processes: number('processes', 1, 64, 2),
    json: given.json ?? 'broker-bench.json'
  }
}

function parsed(args: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        subscriptions: text,
        connections: text,
        'fan-out': text,
        rate: text,
        seconds: text,
        rounds: text,
        climb: flag,
        qos: text,
        payload: text,
        tls: flag,
        peers: text,
        processes: text,
        json: text,
        help: { type: 'boolean', short: 'h' }
      }
    }).values
  } catch (error) {
    throw new UsageError(`${(error as Error).message} (--help prints all options)`)
  }
}

function peersOf(list: string | undefined): readonly PeerName[] | undefined {
  if (list === undefined) return undefined
  const names = new Set(list.split(',').map(name => name.trim()))
  for (const name of names) {
    if (!(PEERS as readonly string[]).includes(name)) {
      throw new UsageError(`--peers are of ${PEERS.join(', ')}, and "${name}" is none`)
    }
  }
  return PEERS.filter(name => names.has(name))
}
