import { createServer, connect as dialTcp, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import {
  closesWhatItOpened,
  isLong,
  needProgram,
  onCleanUp,
  portOf,
  RedisServer,
  remove,
  temporaryFolder
} from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client, RemoteError, Server } from '../../lib'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import { RelayProgram } from '../helpers/relay-program'

const KILLS = isLong ? 100 : 5
/** Of the one that is alone. */
const RESTARTS = isLong ? 100 : 2
const CLIENTS = 4
const TIMEOUT = 5_000
/** What a request may take beyond its timeout on a busy machine, milliseconds. */
const PATIENCE = 2_000
/** Milliseconds between a kill and the next, beside the time that a relay needs to start. */
const BETWEEN = 300

describe('R10: relays that are killed in the middle of requests', function () {
  this.timeout(isLong ? 3_600_000 : 180_000)
  closesWhatItOpened()

  it(`leave no request hanging and none run twice: two on one bus behind one name, ${KILLS} kills`, async function () {
    needProgram(this, 'redis-server')
    const redis = await RedisServer.start()
    onCleanUp(() => redis.remove())
    await rounds({ relays: 2, kills: KILLS, environment: { REDIS_URL: redis.url } })
  })

  it(`leave no request hanging and none run twice: one that is started again, ${RESTARTS} kills`, async () => {
    await rounds({ relays: 1, kills: RESTARTS, environment: {} })
  })
})

interface Rounds {
  readonly relays: number
  readonly kills: number
  readonly environment: Readonly<Record<string, string>>
}

async function rounds({ relays, kills, environment }: Rounds): Promise<void> {
  const folder = temporaryFolder()
  onCleanUp(() => remove(folder))
  const programs: RelayProgram[] = []
  for (let index = 0; index < relays; index++)
    programs.push(await RelayProgram.start({ folder, environment }))
  onCleanUp(async () => void (await Promise.all(programs.map(program => program.kill()))))
  const port = await balance(() => programs.map(program => program.port))
  const tls = { ca: RelayProgram.ca(folder), servername: 'localhost' }
  const key = toBase64url(randomBytes(32))

  const runs = new Map<string, number>()
  const device = new Server({ concurrent: true })
  onCleanUp(() => device.close({ timeout: 0 }))
  const handler = async ({ payload }: { payload: unknown }) => {
    const name = payload as string
    runs.set(name, (runs.get(name) ?? 0) + 1)
    await wait(Math.random() * 20)
    return `${name} done`
  }
  await device.hostMiddleware(`wss://localhost:${port}`, handler, key, { tls })
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const client = new Client({ tls, timeoutLength: TIMEOUT })
      onCleanUp(() => client.close())
      await client.connect(`wss://localhost:${port}?device=${device.hub.deviceId}`, key)
      return client
    })
  )

  let isOver = false
  const outcomes: Record<string, number> = {}
  let longest = 0
  const loops = clients.flatMap((client, index) =>
    [0, 1, 2, 3].map(async lane => {
      for (let count = 0; !isOver; count++) {
        const name = `${index}.${lane}.${count}`
        const begun = performance.now()
        try {
          expect(await client.send('work', name)).to.equal(`${name} done`)
          expect(runs.get(name)).to.equal(1)
          outcomes.done = (outcomes.done ?? 0) + 1
        } catch (error) {
          if (!(error instanceof RemoteError)) throw error
          expect(error.code).to.be.oneOf(['timeout', 'disconnected'])
          if (error.ran === 'no') expect(runs.has(name), name).to.equal(false)
          outcomes[error.code] = (outcomes[error.code] ?? 0) + 1
          await wait(50)
        }
        longest = Math.max(longest, performance.now() - begun)
      }
    })
  )
  const looping = Promise.all(loops)
  let slowest = 0
  for (let kill = 0; kill < kills; kill++) {
    await Promise.race([wait(BETWEEN + Math.random() * 200), looping])
    const victim = kill % programs.length
    await (programs[victim] as RelayProgram).kill()
    const begun = performance.now()
    programs[victim] = await RelayProgram.start({ folder, environment })
    const before = outcomes.done ?? 0
    while ((outcomes.done ?? 0) === before) {
      expect(performance.now() - begun, 'it goes on after a kill').to.be.below(60_000)
      await Promise.race([wait(20), looping])
    }
    slowest = Math.max(slowest, performance.now() - begun)
  }
  isOver = true
  await looping
  console.log(
    `        ${kills} kills: ${JSON.stringify(outcomes)}, longest request ${longest.toFixed(0)} ms, longest pause ${slowest.toFixed(0)} ms`
  )
  expect(longest).to.be.below(TIMEOUT + PATIENCE)
  expect([...runs.values()].filter(count => count > 1)).to.deep.equal([])
}

/** One port in front of several, of which those that don't answer are left out. */
async function balance(ports: () => readonly number[]): Promise<number> {
  let turn = 0
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    const all = ports()
    const first = turn++
    const tryNext = (tries: number) => {
      const to = dialTcp(all[(first + tries) % all.length] as number, '127.0.0.1')
      to.once('connect', () => {
        socket.pipe(to).pipe(socket)
        socket.once('close', () => to.destroy())
        to.once('close', () => socket.destroy())
      })
      to.on('error', () => {
        if (to.bytesRead + to.bytesWritten === 0 && tries + 1 < all.length) tryNext(tries + 1)
        else socket.destroy()
      })
    }
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
    tryNext(0)
  })
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  onCleanUp(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return portOf(server as never)
}
