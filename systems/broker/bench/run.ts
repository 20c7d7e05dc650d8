import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Bench } from './bench'
import { thisMachine, whyNotEnoughFiles } from './machine'
import { type BenchOptions, readOptions, USAGE, UsageError } from './options'
import { findMosquitto } from './peers/find-mosquitto'
import { Progress } from './progress'
import { reportOf, whole } from './report'

const NOT_GOOD = 1
const NOT_POSSIBLE = 2

/** Then the processes of the run are gone, and that they are is no error of the run. */
let isStopped = false

async function main(): Promise<number> {
  const asked = readOptions(process.argv.slice(2))
  if (asked === undefined) {
    process.stdout.write(USAGE)
    return 0
  }
  const whyNot = whyNotEnoughFiles(asked, thisMachine().maxFiles)
  if (whyNot !== undefined) throw new UsageError(whyNot)
  const progress = new Progress(process.stderr)
  const options = withPeersThatAreHere(asked, progress)
  progress.say(whatIsMeasured(options))
  const bench = new Bench(options, progress)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      isStopped = true
      progress.say(`Stopped by ${signal}`)
      void bench.stop().finally(() => process.exit(NOT_POSSIBLE))
    })
  }
  try {
    const results = await bench.run()
    // npm runs this in the folder of the package.
    const file = resolve(process.env.INIT_CWD ?? '.', options.json)
    writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`)
    progress.now('')
    console.log(`\n${reportOf(results)}\n\n${file}`)
    return results.isGood === false ? NOT_GOOD : 0
  } finally {
    await bench.stop()
  }
}

function withPeersThatAreHere(options: BenchOptions, progress: Progress): BenchOptions {
  if (!options.peers.includes('mosquitto') || findMosquitto() !== undefined) return options
  const words = 'mosquitto is not installed (apt-get install mosquitto)'
  if (options.arePeersNamed) throw new UsageError(`Cannot load mosquitto: because ${words}`)
  progress.say(`${words}: it is left out`)
  return { ...options, peers: options.peers.filter(name => name !== 'mosquitto') }
}

function whatIsMeasured({
  connections,
  subscriptions,
  rate,
  fanOut,
  qos,
  payload,
  tls,
  climb
}: BenchOptions): string {
  return (
    `${whole(connections)} connections, ${whole(subscriptions)} subscriptions, ${whole(rate)} messages/s` +
    `${climb ? ' and more' : ''}${fanOut > 1 ? ` to ${whole(fanOut)} subscribers each` : ''}, ` +
    `QoS ${qos}, ${payload} bytes, ${tls ? 'TLS' : 'TCP'}`
  )
}

main().then(
  code => {
    process.exitCode = code
  },
  (error: Error) => {
    if (!isStopped) console.error(error.message)
    process.exitCode = NOT_POSSIBLE
  }
)
