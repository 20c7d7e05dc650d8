import { ensureCerts } from './ensure-certs'
import { fileToSend } from './file-to-send'
import { megabytes } from './format'
import { thereAndBack } from './there-and-back'

/** `npm start [-- FILE]`: sends a file from a client program to a server program and back, over mutual TLS. */
main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})

/** Exit code 0 only when what came back is what was sent. */
async function main(): Promise<void> {
  const file = fileToSend(process.argv.slice(2))
  const made = await ensureCerts()
  if (made.length > 0) print(`Certificates made: ${made.join(', ')}`)
  print(`Sending ${file.name} (${megabytes(file.bytes)}) to a server and back, in tokens of 64 KiB`)
  const isEqual = await thereAndBack(file, print)
  if (!isEqual) process.exitCode = 1
}

function print(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}
