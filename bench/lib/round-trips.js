import { cpu, now } from './clock.js'
import { rawChunks, ringOf } from './messages.js'
import { quantile } from './statistics.js'

/** Sends back what comes, on each channel. @returns ends it: how many came, and what they cost */
export function startEcho(channels, { size, isRaw, fail }) {
  const cpuAtStart = cpu()
  let bytes = 0
  for (const channel of channels) {
    channel.ondrain = null
    channel.onmessage = message => {
      if (!isRaw && message.length !== size)
        fail(new Error(`${message.length} bytes came instead of ${size}`))
      bytes += message.length
      channel.send(message)
    }
  }
  return () => ({ count: bytes / size, cpu: cpu() - cpuAtStart })
}

/**
 * Keeps `outstanding` requests under way on each channel for `ms`, then waits for the last replies. @returns their
 * count, time and cost, and with one at a time the quantiles of their times
 */
export function askFor(channels, { size, ms, outstanding, isRaw, fail }) {
  const messages = isRaw ? pieces(size) : ringOf(size)
  const times = channels.length === 1 && outstanding === 1 ? [] : null
  const cpuAtStart = cpu()
  const startedAt = now()
  const deadline = startedAt + ms
  let replies = 0
  let open = channels.length * outstanding
  return new Promise(resolve => {
    const finish = () => {
      const result = { count: replies, startedAt, endedAt: now(), cpu: cpu() - cpuAtStart }
      if (times !== null) Object.assign(result, { p50: quantile(times, 0.5), p99: quantile(times, 0.99) })
      resolve(result)
    }
    for (const channel of channels) {
      let asked = 0
      let answered = 0
      let askedAt = 0
      let rest = 0
      const ask = () => {
        if (times !== null) askedAt = performance.now()
        channel.send(messages[asked++ % messages.length])
      }
      const answer = () => {
        if (times !== null) times.push(performance.now() - askedAt)
        answered++
        replies++
        if (now() < deadline) ask()
        else if (--open === 0) finish()
      }
      channel.ondrain = null
      channel.onmessage = isRaw
        ? chunk => {
            rest += chunk.length
            for (; rest >= size; rest -= size) answer()
          }
        : message => {
            const expected = messages[answered % messages.length]
            if (!expected.equals(message)) fail(new Error(`reply ${answered} is not what was asked`))
            answer()
          }
      for (let left = outstanding; left > 0; left--) ask()
    }
  })
}

function pieces(size) {
  const [chunk] = rawChunks()
  return Array.from({ length: 64 }, (_, index) => chunk.subarray(index * size, (index + 1) * size))
}
