import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { certificates, closesWhatItOpened, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { fullJitter } from 'token-server'
import { TopicClient } from '../../lib/client'
import { until } from '../helpers/test-broker'

/** LONG=1: 20 rounds. */
const ROUNDS = process.env.LONG === '1' ? 20 : 2
const PROGRAM = join(__dirname, '../programs/kept-door.js')
const IN_FLIGHT = 20
const PATIENCE = 30_000

describe('B12: a broker that is killed under load by the token door, with its store in a folder', () => {
  closesWhatItOpened()

  it('loses nothing of what it answered for a session that is there or away', async function () {
    this.timeout(60_000 + ROUNDS * 30_000)
    const folder = mkdtempSync(join(tmpdir(), 'door-kill-'))
    onCleanUp(() => rmSync(folder, { recursive: true, force: true }))
    let { program, port } = await start(folder, 0)
    onCleanUp(() => program.kill('SIGKILL'))
    const { ca, client } = await certificates()
    const reconnect = fullJitter({ initialDelay: 50, maxDelay: 200 })
    const connect = { host: '127.0.0.1', port, ca, ...client, reconnect }
    const received = new Set<number>()
    const subscribe = async () => {
      const subscriber = new TopicClient({ connect, session: 'subscriber', concurrency: 100 })
      onCleanUp(() => subscriber.close({ timeout: 0 }))
      await subscriber.subscribe('t/#', ({ payload }) => received.add(Number(payload.toString())))
      return subscriber
    }
    let subscriber = await subscribe()
    const publisher = new TopicClient({ connect })
    onCleanUp(() => publisher.close({ timeout: 0 }))
    const answered = new Set<number>()
    let next = 0
    let isOver = false
    const publish = async () => {
      while (!isOver) {
        const id = next++
        await publisher.publish(`t/${id % 7}`, String(id))
        answered.add(id)
      }
    }
    const publishing = Array.from({ length: IN_FLIGHT }, publish)
    for (let round = 0; round < ROUNDS; round++) {
      const before = answered.size
      if (round % 2 === 1) await subscriber.close({ timeout: 0 })
      await until('more is answered', () => answered.size > before + 200, PATIENCE)
      const gone = once(program, 'exit')
      program.kill('SIGKILL')
      await gone
      ;({ program } = await start(folder, port))
      if (round % 2 === 1) subscriber = await subscribe()
    }
    isOver = true
    await Promise.all(publishing)
    const missing = () => [...answered].filter(id => !received.has(id))
    await until('all that was answered comes', () => missing().length === 0, PATIENCE).catch(() => undefined)
    expect(missing()).to.deep.equal([])
    expect(answered.size).to.be.greaterThan(ROUNDS * 200)
  })
})

async function start(folder: string, port: number): Promise<{ program: ChildProcess; port: number }> {
  const program = fork(PROGRAM, [folder, String(port)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const { ca, server } = await certificates()
  program.send({ ca, ...server })
  const ended = once(program, 'exit').then(([code]) => {
    throw new Error(`The broker ended with ${code}`)
  })
  const [number] = (await Promise.race([once(program, 'message'), ended])) as [number]
  ended.catch(() => undefined)
  return { program, port: number }
}
