import { Socket } from 'node:net'
import { cpu } from './clock.js'
import { handshake } from './handshakes.js'
import { onLine } from './lines.js'
import { MessageCheck } from './messages.js'
import { ByteReceiver, MessageReceiver, sendFor } from './one-way.js'
import { askFor, startEcho } from './round-trips.js'
import { TickCounter } from './ticks.js'

/** Connections that are made at the same time. */
const CONCURRENCY = 8
const ARRIVAL_TIMEOUT = 10_000

/** What is open here: of one contender, for each has processes of its own. */
const channels = []
let acceptedHandshakes = null
let receiver = null
let echo = null
let ticks = null
let cpuAtStart = 0

const calls = {
  async listen({ file, setting }) {
    const contender = await import(file)
    const { port } = await contender.listen(setting, channel => channels.push(channel))
    return { port }
  },

  /** Adds `count` connections. */
  async connect({ file, setting, port, count }) {
    const contender = await import(file)
    let left = count
    const connectNext = async () => {
      while (left-- > 0) channels.push(await contender.connect(setting, port))
    }
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, count) }, connectNext))
    return { cipher: channels[0]?.cipher ?? null }
  },

  /** Waits until the server's side knows of that many. */
  async arrived({ count }) {
    const deadline = Date.now() + ARRIVAL_TIMEOUT
    while (channels.length < count) {
      if (Date.now() > deadline) throw new Error(`${channels.length} connections of ${count} arrived`)
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  },

  receive({ size, isRaw, isTicked }) {
    global.gc({ type: 'minor' })
    ticks = isTicked ? new TickCounter() : null
    const [channel] = channels
    receiver = isRaw
      ? new ByteReceiver(channel, fail)
      : new MessageReceiver(channel, new MessageCheck(size), fail)
  },

  /** Waits until all has come that the other side has sent. */
  async received({ count }) {
    const result = await receiver.finished(count)
    return { ...result, ticks: ticks?.stop() }
  },

  async send({ size, ms, isRaw, isSmall, isTicked }) {
    global.gc({ type: 'minor' })
    ticks = isTicked ? new TickCounter() : null
    cpuAtStart = cpu()
    return await sendFor(channels[0], { size, ms, isRaw, isSmall })
  },

  async sent() {
    await channels[0].settled?.()
    return { cpu: cpu() - cpuAtStart, ticks: ticks?.stop() }
  },

  echo({ size, isRaw }) {
    global.gc({ type: 'minor' })
    echo = startEcho(channels, { size, isRaw, fail })
  },

  echoed() {
    return echo()
  },

  async ask(options) {
    global.gc({ type: 'minor' })
    return await askFor(channels, { ...options, fail })
  },

  async idle({ ms }) {
    const counter = new TickCounter()
    await new Promise(resolve => setTimeout(resolve, ms))
    return counter.stop()
  },

  async handshakes({ way, ...options }) {
    return await handshake[way].client(options)
  },

  async acceptHandshakes({ way, setting }) {
    const { port, count } = await handshake[way].server(setting)
    acceptedHandshakes = count
    return { port }
  },

  accepted() {
    return { count: acceptedHandshakes(), cpu: cpu() }
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

/** The process that asks: a line of JSON for each call and each answer. */
const parent = new Socket({ fd: 3, readable: true, writable: true })

function answer(message) {
  parent.write(`${JSON.stringify(message)}\n`)
}

let hasFailed = false

/** Ends this contender's part, whoever would have swallowed the error. */
function fail(error) {
  if (hasFailed) return
  hasFailed = true
  answer({ failure: reasonOf(error), stack: error?.stack })
}

function reasonOf(error) {
  if (!(error instanceof Error)) return String(error)
  const isMissing = error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND'
  const [, name] = (isMissing && error.message.match(/'([^']+)'/)) || []
  return name === undefined ? error.message : `${name} is not installed`
}

onLine(parent, async line => {
  const { id, name, argument } = JSON.parse(line)
  try {
    answer({ id, result: await calls[name](argument) })
  } catch (error) {
    answer({ id, error: reasonOf(error), stack: error?.stack })
  }
})
parent.on('close', () => process.exit())
parent.on('error', () => process.exit())
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
// Ctrl-C reaches all processes of a terminal: the one that started this one decides.
process.on('SIGINT', () => {})
