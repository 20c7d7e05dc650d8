import { cpu, now } from './clock.js'
import { ByteCheck, finalMessage, rawChunks, ringOf } from './messages.js'

/** Messages between two looks at the clock. */
const BATCH_BYTES = 16 * 1024
const MAX_BATCH = 32

/**
 * Sends at full speed for `ms`, waiting whenever the channel says so. @returns how many messages went; of raw bytes,
 * how many bytes
 */
export function sendFor(channel, { size, ms, isRaw, isSmall }) {
  const messages = isRaw && !isSmall ? rawChunks() : isRaw ? smallChunks(size) : ringOf(size)
  const batch = Math.max(1, Math.min(MAX_BATCH, Math.floor(BATCH_BYTES / messages[0].length)))
  return new Promise(resolve => {
    const startedAt = now()
    const deadline = startedAt + ms
    let count = 0
    let next = 0
    const sendMore = () => {
      while (now() < deadline) {
        for (let left = batch; left > 0; left--) {
          const isTaken = channel.send(messages[next])
          count++
          if (++next === messages.length) next = 0
          if (!isTaken) return
        }
      }
      channel.ondrain = null
      if (!isRaw) channel.send(finalMessage(size, count))
      resolve({ count: isRaw ? count * messages[0].length : count, startedAt })
    }
    channel.ondrain = sendMore
    sendMore()
  })
}

/** The same bytes as the large chunks, in pieces. */
function smallChunks(size) {
  return rawChunks().flatMap(chunk =>
    Array.from({ length: chunk.length / size }, (_, index) =>
      chunk.subarray(index * size, (index + 1) * size)
    )
  )
}

/** Counts and checks the messages that come in one turn. */
export class MessageReceiver {
  #check
  #cpuAtStart = cpu()
  #end
  #whenEnded

  constructor(channel, check, fail) {
    this.#check = check
    this.#end = new Promise(resolve => {
      this.#whenEnded = resolve
    })
    channel.onmessage = message => {
      try {
        if (check.take(message)) this.#finish()
      } catch (error) {
        fail(error)
      }
    }
    channel.onparts = (first, length) => {
      try {
        if (check.takeParts(first, length)) this.#finish()
      } catch (error) {
        fail(error)
      }
    }
  }

  async finished(count) {
    const end = await this.#end
    if (this.#check.count !== count) throw new Error(`${this.#check.count} messages came of ${count}`)
    return end
  }

  #finish() {
    this.#whenEnded({ endedAt: now(), cpu: cpu() - this.#cpuAtStart })
  }
}

/** Counts and checks the bytes that come in one turn: nothing in them says which is the last. */
export class ByteReceiver {
  #check = new ByteCheck()
  #cpuAtStart = cpu()
  #lastAt = 0
  #awaited = Number.POSITIVE_INFINITY
  #whenEnded = null

  constructor(channel, fail) {
    const check = this.#check
    channel.onmessage = chunk => {
      try {
        check.take(chunk)
      } catch (error) {
        fail(error)
      }
      this.#lastAt = now()
      if (check.bytes >= this.#awaited) this.#whenEnded()
    }
  }

  async finished(count) {
    this.#awaited = count
    if (this.#check.bytes < count) {
      await new Promise(resolve => {
        this.#whenEnded = resolve
      })
    }
    if (this.#check.bytes !== count) throw new Error(`${this.#check.bytes} bytes came of ${count}`)
    return { endedAt: this.#lastAt, cpu: cpu() - this.#cpuAtStart }
  }
}
