import { constants } from 'node:os'
import { Child } from './child'
import type { FileToSend } from './file-to-send'
import { megabytes } from './format'
import type { FromClient, FromServer } from './messages'
import { peakRss } from './peak-rss'
import { Progress } from './progress'
import { connectionLines, isEqual, resultLines } from './report'

/**
 * Runs the server program and the client program, and reports what they tell. Both are gone when it settles.
 *
 * @returns whether what came back is what was sent
 */
export async function thereAndBack(file: FileToSend, print: (...lines: string[]) => void): Promise<boolean> {
  const progress = new Progress(file.bytes, process.stdout)
  const interruption = interrupted()
  const server = new Child<FromServer>('server', [])
  let client: Child<FromClient> | null = null
  try {
    const { port } = await Promise.race([server.told('listening'), server.failed, interruption])
    client = new Child<FromClient>('client', [String(port), file.path], message => {
      if (message.kind === 'progress') progress.update(message.bytes)
    })
    const failed = Promise.race([server.failed, client.failed, interruption])

    const clientSaw = await Promise.race([client.told('connected'), failed])
    const serverSaw = await Promise.race([server.told('connected'), failed])
    print('', ...connectionLines('client', 'server', clientSaw.seen))
    print('', ...connectionLines('server', 'client', serverSaw.seen), '')
    progress.begin()

    const { result } = await Promise.race([client.told('result'), failed])
    const clientEnded = await Promise.race([client.told('ended'), failed])
    progress.end()
    print(...resultLines(result))

    server.send('close')
    const serverEnded = await Promise.race([server.told('ended'), server.failed, interruption])
    print(
      `peak memory  server ${megabytes(serverEnded.peakRss)}, client ${megabytes(clientEnded.peakRss)}, parent ${megabytes(peakRss())} (resident set size)`
    )
    return isEqual(result)
  } catch (error) {
    progress.end()
    server.kill()
    client?.kill()
    throw error
  } finally {
    await Promise.all([server.gone, client?.gone])
  }
}

/** A signal asked this program to stop. */
export class Interrupted extends Error {
  /** As a shell counts: 128 and the number of the signal. */
  readonly exitCode: number

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super('Interrupted')
    this.exitCode = 128 + constants.signals[signal]
  }
}

/** Rejects at Ctrl-C, and at SIGTERM. */
function interrupted(): Promise<never> {
  const interruption = new Promise<never>((_resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => reject(new Interrupted(signal)))
    }
  })
  interruption.catch(() => {})
  return interruption
}
