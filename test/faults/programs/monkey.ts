import { setImmediate } from 'node:timers/promises'
import { answerParent, memory } from '../../helpers/fault-program'
import { freePort } from '../../helpers/loopback'
import { TcpProxy } from '../../helpers/tcp-proxy'
import { type MonkeyCredentials, makeCredentials } from '../monkey/credentials'
import { type Counts, Monkey } from '../monkey/monkey'

/** Plays rounds, each with a seed of its own, in one process. */

export interface MonkeyQuestion {
  readonly seed: number
  readonly milliseconds: number
}

export interface MonkeyReport {
  /** Which promise was broken; null for none. */
  readonly failure: string | null
  readonly counts: Counts
  /** Bytes of memory after the round. */
  readonly used: number
  /** Connections, clients and servers of the round that were not given back, and of how many. */
  readonly kept: number
  readonly made: number
}

let credentials: MonkeyCredentials | null = null

answerParent(async ({ seed, milliseconds }: MonkeyQuestion): Promise<MonkeyReport> => {
  credentials ??= await makeCredentials()
  const before = handles()
  const { monkey, failure } = await round(seed, milliseconds, credentials)
  const { counts, remembered } = monkey
  const left = failure === null ? await leftHandles(before) : []
  const kept = () => remembered.filter(reference => reference.deref() !== undefined).length
  for (let tries = 0; tries < 10 && kept() > 0; tries++) {
    // What a reference has given lasts for a turn.
    await setImmediate()
    memory()
  }
  const { used } = memory()
  return {
    failure: failure ?? (left.length === 0 ? null : `handles are left: ${left.join(', ')}`),
    counts,
    used,
    kept: kept(),
    made: remembered.length
  }
})

async function round(
  seed: number,
  milliseconds: number,
  certificates: MonkeyCredentials
): Promise<{ monkey: Pick<Monkey, 'counts' | 'remembered'>; failure: string | null }> {
  const ports = [await freePort(), await freePort()]
  const proxies = await Promise.all(ports.map(port => TcpProxy.open(port)))
  const monkey = new Monkey(seed, certificates, ports, proxies)
  const failure = await monkey.play(milliseconds).then(
    () => null,
    (error: Error) => String(error.stack)
  )
  await Promise.all(proxies.map(proxy => proxy.close()))
  const { counts, remembered } = monkey
  return { monkey: { counts, remembered }, failure }
}

/** What keeps the process alive, but for the pipes to its parent. */
function handles(): string[] {
  return process.getActiveResourcesInfo().filter(name => name !== 'PipeWrap')
}

/** A socket closes some turns after it was destroyed. */
async function leftHandles(before: readonly string[]): Promise<string[]> {
  for (let tries = 0; tries < 500; tries++) {
    const left = handles()
    for (const name of before) if (left.includes(name)) left.splice(left.indexOf(name), 1)
    if (left.length === 0) return left
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return handles()
}
