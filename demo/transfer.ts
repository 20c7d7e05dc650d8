import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Connection } from 'token-server'
import type { Result, Tally } from './messages'

/** Bytes of the file in one token. */
const TOKEN_LENGTH = 64 * 1024

/** An empty token is a token like any other: here it ends the file. */
const END_OF_FILE = Buffer.alloc(0)

const PROGRESS_INTERVAL = 100

type Moved = Pick<Result, 'sent' | 'returned' | 'isFramed' | 'milliseconds'>

/**
 * Sends a file through a connection whose other side sends every token back, and hashes both ways.
 *
 * ```
 *   {"name":"README.md","bytes":70000}   65536 bytes   4464 bytes   empty
 * ```
 */
export async function transfer(
  connection: Connection,
  file: string,
  onProgress: (bytesReturned: number) => void
): Promise<Moved> {
  const { size } = await stat(file)
  const header = Buffer.from(JSON.stringify({ name: basename(file), bytes: size }))
  const began = performance.now()
  const [sent, { returned, isFramed }] = await Promise.all([
    sendFile(connection, header, file),
    receiveFile(connection, header, onProgress)
  ])
  return { sent, returned, isFramed, milliseconds: performance.now() - began }
}

async function sendFile(connection: Connection, header: Buffer, file: string): Promise<Tally> {
  const closed = new AbortController()
  connection.once('close', () => closed.abort())
  const tally = new RunningTally()

  await send(connection, header, closed.signal)
  for await (const bytes of createReadStream(file, { highWaterMark: TOKEN_LENGTH })) {
    tally.add(bytes)
    await send(connection, bytes, closed.signal)
  }
  await send(connection, END_OF_FILE, closed.signal)
  return tally.finish()
}

/** Takes one token to the connection, and waits while enough are on their way. */
async function send(connection: Connection, token: Buffer, signal: AbortSignal): Promise<void> {
  if (!connection.send(token)) {
    const { error } = await connection.closed
    throw error ?? new Error('Cannot send the file: the server ended the connection')
  }
  // Should the connection close meanwhile, the next send() says why.
  if (connection.writableNeedDrain) await once(connection, 'drain', { signal }).catch(() => {})
}

async function receiveFile(
  connection: Connection,
  header: Buffer,
  onProgress: (bytes: number) => void
): Promise<{ returned: Tally; isFramed: boolean }> {
  const tally = new RunningTally()
  let told = performance.now()
  let returnedHeader: Buffer | null = null

  for await (const token of connection) {
    if (returnedHeader === null) {
      returnedHeader = token
    } else if (token.length === 0) {
      onProgress(tally.bytes)
      return { returned: tally.finish(), isFramed: returnedHeader.equals(header) }
    } else {
      tally.add(token)
    }
    if (performance.now() - told > PROGRESS_INTERVAL) {
      told = performance.now()
      onProgress(tally.bytes)
    }
  }
  throw new Error('Cannot receive the file: the server ended the connection before the last token')
}

class RunningTally {
  readonly #hash = createHash('sha256')
  #tokens = 0
  bytes = 0

  add(token: Buffer): void {
    this.#hash.update(token)
    this.#tokens++
    this.bytes += token.length
  }

  finish(): Tally {
    return { tokens: this.#tokens, bytes: this.bytes, sha256: this.#hash.digest('hex') }
  }
}
