import { readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import type { BenchOptions } from './options'

/** Files that a process has open besides its connections. */
const OTHER_FILES = 100

/** Of Linux: the unit of times in /proc. */
const TICKS_A_SECOND = 100

export interface Machine {
  readonly cores: number
  readonly cpu: string
  /** Processes that wanted to run, on average of the last minute. */
  readonly load: number
  readonly node: string
  /** Files that a process may have open; Infinity: nobody says. */
  readonly maxFiles: number
}

export function thisMachine(): Machine {
  const [first] = cpus()
  return {
    cores: cpus().length,
    cpu: first?.model ?? 'unknown',
    load: loadavg()[0] as number,
    node: process.version,
    maxFiles: maxFiles(read('/proc/self/limits'))
  }
}

/** The soft limit: Node raises it to the hard one when it starts, and its children have the same. */
export function maxFiles(limits: string | undefined): number {
  const soft = /^Max open files\s+(\d+)/m.exec(limits ?? '')?.[1]
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
}

/** In words, why a broker can't have so many connections here; undefined: it can. */
export function whyNotEnoughFiles(
  { connections, subscriptions }: Pick<BenchOptions, 'connections' | 'subscriptions'>,
  limit: number
): string | undefined {
  const needed = connections + OTHER_FILES
  if (needed <= limit) return undefined
  const most = Math.max(1, limit - OTHER_FILES)
  const fewer = largestDivisor(subscriptions, most)
  return (
    `Cannot open ${connections} connections: because this machine lets a process open ${limit} files ("ulimit -n"), ` +
    `and the broker needs ${needed}. Raise it, by "ulimit -n ${needed}" as root, or by LimitNOFILE= of a service; ` +
    `or ask for fewer: --connections ${fewer} can have the ${subscriptions} subscriptions.`
  )
}

/** So many subscribing processes are needed, each with its share of the connections to all peers. */
export function processesFor({ connections, peers, processes }: BenchOptions, limit: number): number {
  const needed = Math.ceil((connections * peers.length) / Math.max(1, limit - OTHER_FILES))
  return Math.min(connections, Math.max(processes, needed))
}

function largestDivisor(of: number, most: number): number {
  for (let divisor = Math.min(of, most); divisor > 1; divisor--) if (of % divisor === 0) return divisor
  return 1
}

/** What a process has used. */
export interface Usage {
  /** Of all cores, seconds. */
  readonly cpu: number
  readonly memoryBytes: number
}

/** NaN where there is no /proc. */
export function usageOf(pid: number): Usage {
  // The name in parentheses may hold spaces: what follows begins with field 3.
  const fields = (read(`/proc/${pid}/stat`) ?? '').split(') ').at(-1)?.split(' ') ?? []
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1]
  return {
    cpu: (Number(fields[11] ?? Number.NaN) + Number(fields[12] ?? Number.NaN)) / TICKS_A_SECOND,
    memoryBytes: Number(resident ?? Number.NaN) * 1_024
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
