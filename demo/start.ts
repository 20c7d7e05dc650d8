import { ensureCerts } from './ensure-certs'
import { fileToSend } from './file-to-send'
import { megabytes } from './format'
import { Interrupted, thereAndBack } from './there-and-back'

const USAGE = `Usage: npm start [-- FILE]

Sends FILE (default: this repository's README) from a client program to a server program and back,
over mutual TLS, and compares. Makes certificates in certs/ when there are none.
Exit code: 0 what came back is equal, 1 it is not or could not be sent, 130 or 143 interrupted.
`

/** `npm start [-- FILE]`: sends a file from a client program to a server program and back, over mutual TLS. */
main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = error instanceof Interrupted ? error.exitCode : 1
})

/** Exit code 0 only when what came back is what was sent. */
async function main(): Promise<void> {
  const args = process.argv.slice(2)
  if (args.includes('--help') || args.includes('-h')) return print(USAGE.trimEnd())
  const file = fileToSend(args)
  const made = await ensureCerts()
  if (made.length > 0) print(`Certificates made: ${made.join(', ')}`)
  print(`Sending ${file.name} (${megabytes(file.bytes)}) to a server and back, in tokens of 64 KiB`)
  const isEqual = await thereAndBack(file, print)
  if (!isEqual) process.exitCode = 1
}

function print(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}
