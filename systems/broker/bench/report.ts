import { median } from './histogram'
import type { Machine } from './machine'
import type { BenchOptions, PeerName } from './options'
import { isComplete, isInTime, isKeptUp, isLoadLate, type RoundResult } from './round-result'

/** What is known of a peer besides its rounds. */
export interface PeerFacts {
  readonly name: PeerName
  readonly description: string
  readonly version: string
  /** Of one connection with its subscriptions. */
  readonly memoryPerConnection: number
  /** Milliseconds of CPU that one connect cost the broker. */
  readonly cpuPerConnect: number
  /** Seconds until all were connected. */
  readonly connectTime: number
}

/** All of a run, as it is written to the file. */
export interface Results {
  readonly at: string
  readonly machine: Machine
  readonly options: BenchOptions
  readonly peers: readonly PeerFacts[]
  readonly rounds: readonly RoundResult[]
  /** In words, a sentence for each peer. */
  readonly verdicts: readonly string[]
  /** Whether ours lost none and was in time; undefined: it was not measured. */
  readonly isGood: boolean | undefined
}

/** With `climb` a peer is judged by the rounds up to the highest rate with which it kept up. */
export function roundsToJudge(rounds: readonly RoundResult[], climb: boolean): readonly RoundResult[] {
  return climb ? rounds.filter(round => isInTime(round) && round.rate <= highestOf(rounds)) : rounds
}

export function verdictOf(peer: PeerName, all: readonly RoundResult[], climb: boolean): string {
  const rounds = roundsToJudge(all, climb)
  if (rounds.length === 0) return `${peer}: behind from the first round on`
  const sum = (count: (round: RoundResult) => number) =>
    rounds.reduce((total, round) => total + count(round), 0)
  const expected = sum(round => round.expected)
  const missing = (inTime: boolean) =>
    sum(round => (isInTime(round) === inTime ? round.expected - round.received : 0))
  const [lost, late] = [missing(true), missing(false)]
  const unacknowledged = sum(round => round.sent - (round.acknowledged ?? round.sent))
  const words = [
    ...(lost > 0 ? [`LOST ${whole(lost)} of ${whole(expected)}`] : []),
    // Of a broker that is behind nobody knows yet what is lost.
    ...problem(late, `of ${whole(expected)} NOT THERE when their round ended`),
    ...(lost + late === 0 ? [`none lost of ${whole(expected)}`] : []),
    ...problem(
      sum(round => round.unordered),
      'doubled or out of order'
    ),
    ...problem(
      sum(round => round.wrong),
      'changed, or given to somebody else'
    ),
    ...problem(unacknowledged, 'not acknowledged')
  ]
  return `${peer}: ${words.join(', ')}; ${inTime(rounds, climb)}`
}

export function isGood(all: readonly RoundResult[], climb: boolean): boolean {
  const rounds = roundsToJudge(all, climb)
  return rounds.length > 0 && rounds.every(round => isComplete(round) && isInTime(round))
}

function problem(count: number, what: string): string[] {
  return count === 0 ? [] : [`${whole(count)} ${what}`]
}

function inTime(rounds: readonly RoundResult[], climb: boolean): string {
  if (climb) return `in time up to ${whole(Math.max(...rounds.map(deliveriesOf)))} deliveries/s`
  if (rounds.every(isInTime)) return 'in time'
  const unsent = rounds.reduce((total, { toSend, sent }) => total + toSend - sent, 0)
  const behind = Math.max(...rounds.map(round => round.behind))
  const cause = rounds.some(isLoadLate) ? ' (the load was late itself, see below)' : ''
  const words = unsent === 0 ? '' : `, and ${whole(unsent)} messages were not sent`
  return `BEHIND, ${seconds(behind)} at the end of a round${words}${cause}`
}

/** Deliveries a second that a round asked for. */
function deliveriesOf({ expected, seconds: time }: RoundResult): number {
  return Math.round(expected / time)
}

/** The whole report, as text. */
export function reportOf(results: Results): string {
  const { peers, rounds, verdicts, options, machine } = results
  const notes = [
    ...(rounds.some(isLoadLate)
      ? [
          `The load was up to ${seconds(Math.max(...rounds.map(({ late }) => late)))} late: this machine was too busy for it.`
        ]
      : []),
    ...(machine.load > machine.cores / 2
      ? [
          `When the run began ${machine.load.toFixed(1)} processes wanted the ${machine.cores} cores: compare the peers, and take no figure by itself.`
        ]
      : [])
  ]
  return [
    ...verdicts,
    '',
    ...table([
      ['', 'deliveries/s', 'p50 ms', 'p99 ms', 'CPU % of a core', 'KiB a connection', 'connect, ms CPU'],
      ...peers.map(peer => rowOf(peer, roundsOfRow(ofPeer(rounds, peer.name), options.climb)))
    ]),
    '',
    ...ratiosOf(results),
    ...notes
  ].join('\n')
}

/** With `climb` the table shows the highest rate in time. */
function roundsOfRow(all: readonly RoundResult[], climb: boolean): readonly RoundResult[] {
  const rounds = roundsToJudge(all, climb)
  return climb ? rounds.filter(round => isKeptUp(round) && round.rate === highestOf(all)) : rounds
}

function rowOf(peer: PeerFacts, rounds: readonly RoundResult[]): string[] {
  const middle = (value: (round: RoundResult) => number) => median(rounds.map(value))
  return [
    `${peer.name} ${peer.version}`,
    whole(middle(({ received, seconds: time }) => received / time)),
    fixed(
      middle(({ p50 }) => p50),
      2
    ),
    fixed(
      middle(({ p99 }) => p99),
      2
    ),
    fixed(100 * middle(({ cpu }) => cpu), 0),
    fixed(peer.memoryPerConnection / 1_024, 1),
    fixed(peer.cpuPerConnect, 2)
  ]
}

/** Ours against the others, round by round: what disturbs the machine disturbs both. */
export function ratiosOf({
  peers,
  rounds,
  options
}: Pick<Results, 'peers' | 'rounds' | 'options'>): string[] {
  const ours = ofPeer(rounds, 'ours')
  if (ours.length === 0) return []
  return peers
    .filter(({ name }) => name !== 'ours')
    .map(({ name }) => {
      const theirs = ofPeer(rounds, name)
      if (options.climb) {
        const [highest, other] = [ours, theirs].map(list => highestOf(list)) as [number, number]
        if (other === 0) return `${name} was in time with no rate`
        return `Highest rate in time: ${ratio(highest / other)} × ${name}`
      }
      const middle = (value: (round: RoundResult) => number) =>
        median(
          ours.flatMap(round => {
            const same = theirs.find(other => other.round === round.round)
            return same === undefined ? [] : [value(round) / value(same)]
          })
        )
      return `Ours needs ${ratio(middle(({ cpu }) => cpu))} × the CPU of ${name}; p50 ${ratio(middle(({ p50 }) => p50))} ×, p99 ${ratio(middle(({ p99 }) => p99))} ×`
    })
}

function highestOf(rounds: readonly RoundResult[]): number {
  return Math.max(0, ...rounds.filter(isKeptUp).map(({ rate }) => rate))
}

export function ofPeer(rounds: readonly RoundResult[], peer: PeerName): readonly RoundResult[] {
  return rounds.filter(round => round.peer === peer)
}

/** Columns as wide as they must be; numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row =>
    row
      .map((text, column) => {
        const width = widths[column] as number
        return column === 0 ? text.padEnd(width) : text.padStart(width)
      })
      .join('  ')
      .trimEnd()
  )
}

export function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '-'
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(1)} s`
}

function ratio(value: number): string {
  return fixed(value, 2)
}

/** A peer that was never in time has no figures. */
export function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '-'
}
