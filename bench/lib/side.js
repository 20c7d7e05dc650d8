import { cpu } from './clock.js'
import { load } from './contenders/index.js'
import { handshake } from './handshakes.js'
import { MessageCheck } from './messages.js'
import { ByteReceiver, MessageReceiver, sendFor } from './one-way.js'
import { askFor, startEcho } from './round-trips.js'
import { TickCounter } from './ticks.js'

/** Connections that are made at the same time. */
const CONCURRENCY = 8
const ARRIVAL_TIMEOUT = 10_000

/** What is open here, by the contender's name. */
const opened = new Map()
let ticks = null

const calls = {
  async listen({ name, setting }) {
    const channels = []
    const contender = await load(name)
    const listener = await contender.listen(setting, channel => channels.push(channel))
    opened.set(name, { channels, listener })
    return { port: listener.port }
  },

  /** Adds `count` connections. */
  async connect({ name, setting, port, count }) {
    const contender = await load(name)
    const { channels } = opened.get(name) ?? opened.set(name, { channels: [] }).get(name)
    let left = count
    const connectNext = async () => {
      while (left-- > 0) channels.push(await contender.connect(setting, port))
    }
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, count) }, connectNext))
    return { cipher: channels[0]?.cipher ?? null }
  },

  /** Waits until the server's side knows of that many. */
  async arrived({ name, count }) {
    const { channels } = opened.get(name)
    const deadline = Date.now() + ARRIVAL_TIMEOUT
    while (channels.length < count) {
      if (Date.now() > deadline) throw new Error(`${channels.length} connections of ${count} arrived`)
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  },

  async close({ name }) {
    const entry = opened.get(name)
    if (entry === undefined) return
    opened.delete(name)
    if (entry.listener === undefined) await Promise.all(entry.channels.map(channel => channel.close()))
    else await entry.listener.close()
  },

  receive({ name, size, isRaw, isTicked }) {
    const entry = opened.get(name)
    const [channel] = entry.channels
    global.gc({ type: 'minor' })
    ticks = isTicked ? new TickCounter() : null
    entry.receiver = isRaw
      ? new ByteReceiver(channel, fail)
      : new MessageReceiver(channel, new MessageCheck(size), fail)
  },

  /** Waits until all has come that the other side has sent. */
  async received({ name, count }) {
    const result = await opened.get(name).receiver.finished(count)
    return { ...result, ticks: ticks?.stop() }
  },

  async send({ name, size, ms, isRaw, isSmall, isTicked }) {
    const entry = opened.get(name)
    global.gc({ type: 'minor' })
    ticks = isTicked ? new TickCounter() : null
    entry.cpuAtStart = cpu()
    return await sendFor(entry.channels[0], { size, ms, isRaw, isSmall })
  },

  async sent({ name }) {
    const { channels, cpuAtStart } = opened.get(name)
    await channels[0].settled?.()
    return { cpu: cpu() - cpuAtStart, ticks: ticks?.stop() }
  },

  echo({ name, size, isRaw }) {
    const entry = opened.get(name)
    global.gc({ type: 'minor' })
    entry.echo = startEcho(entry.channels, { size, isRaw, fail })
  },

  echoed({ name }) {
    return opened.get(name).echo()
  },

  async ask({ name, ...options }) {
    global.gc({ type: 'minor' })
    return await askFor(opened.get(name).channels, { ...options, fail })
  },

  async idle({ ms }) {
    const counter = new TickCounter()
    await new Promise(resolve => setTimeout(resolve, ms))
    return counter.stop()
  },

  async handshakes({ kind, ms, setting, port }) {
    return await handshake[kind].client({ ms, setting, port })
  },

  async acceptHandshakes({ name, kind, setting }) {
    const listener = await handshake[kind].server({ setting })
    opened.set(name, { channels: [], listener })
    return { port: listener.port }
  },

  accepted({ name }) {
    const { listener } = opened.get(name)
    return { count: listener.count(), cpu: cpu() }
  },

  collect() {
    global.gc()
  },

  /** Bytes of this process, after what is garbage was collected. */
  async memory() {
    for (let round = 0; round < 3; round++) {
      global.gc()
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    return process.memoryUsage.rss()
  }
}

let hasFailed = false

/** Ends the whole run, whoever would have swallowed the error. */
function fail(error) {
  if (hasFailed) return
  hasFailed = true
  process.send?.({ failure: error?.stack ?? String(error) })
}

process.on('message', async ({ id, name, argument }) => {
  try {
    process.send({ id, result: await calls[name](argument) })
  } catch (error) {
    process.send({ id, error: error instanceof Error ? error.message : String(error) })
  }
})
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
process.on('disconnect', () => process.exit())
// Ctrl-C reaches all processes of a terminal: the one that started this one decides.
process.on('SIGINT', () => {})
