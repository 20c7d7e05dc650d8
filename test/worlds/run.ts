import { certificates } from '../helpers/certificates'
import { addCounts, type Counts, noCounts } from './counts'
import { World } from './world'

/** One world is this long, then the next seed begins: a failure is replayed in seconds. */
export const STEPS_PER_WORLD = 3_000

/**
 * Plays worlds, one after the other. What nobody catches is theirs meanwhile.
 *
 * @throws Error with the seed of the world that broke
 */
export async function runWorlds(first: number, worlds: number): Promise<Counts> {
  const total = noCounts()
  for (let seed = first; seed < first + worlds; seed++) addCounts(total, await runWorld(seed))
  return total
}

async function runWorld(seed: number): Promise<Counts> {
  const without = process.env.WITHOUT?.split(',') ?? []
  const made = await certificates()
  const world = new World(seed, made, { without })
  const restore = hearUncaught(error => world.uncaught(error))
  try {
    // A server listens from the next turn on, and one that is killed before keeps its port.
    await nextTurn()
    for (let step = 0; step < STEPS_PER_WORLD; step++) await world.step()
    await world.heal()
    return world.counts
  } catch (cause) {
    throw new Error(`SEED=${seed} broke: ${(cause as Error).message}`, { cause })
  } finally {
    world.stop()
    await nextTurn()
    restore()
  }
}

function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const

function hearUncaught(listener: (error: unknown) => void): () => void {
  const kept = EVENTS.map(event => process.listeners(event as 'uncaughtException'))
  const rejected = (error: unknown) =>
    listener(new Error(`unhandled rejection: ${String((error as Error)?.stack)}`))
  for (const event of EVENTS) process.removeAllListeners(event)
  process.on('uncaughtException', listener)
  process.on('unhandledRejection', rejected)
  return () => {
    for (const [index, event] of EVENTS.entries()) {
      process.removeAllListeners(event)
      for (const one of kept[index] ?? []) process.on(event as 'uncaughtException', one)
    }
  }
}
