import { parentPort, workerData } from 'node:worker_threads'
import { LogglySender, type LogglyTarget, type Settled } from './loggly-sender'

/** To the worker: lines, or null to close. */
export type ToWorker = readonly string[] | null

export type FromWorker =
  | { readonly kind: 'settled'; readonly settled: Settled }
  | { readonly kind: 'trouble'; readonly why: string }
  | { readonly kind: 'closed' }

if (parentPort !== null) {
  const port = parentPort
  const tell = (message: FromWorker) => port.postMessage(message)
  const sender = new LogglySender(workerData as LogglyTarget, {
    onSettled: settled => tell({ kind: 'settled', settled }),
    onTrouble: why => tell({ kind: 'trouble', why })
  })
  port.on('message', (message: ToWorker) => {
    if (message !== null) sender.push(message)
    else void sender.close().then(() => tell({ kind: 'closed' }))
  })
}
