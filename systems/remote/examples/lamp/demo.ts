import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import { FileStore } from '../../lib/keys/file-store'
import { qrForTerminal } from '../../lib/keys/qr-code'
import { Server } from '../../lib/server/server'
import { startRelay } from '../../lib/server/start-relay'
import { askOnTerminal } from '../../lib/server/terminal-approval'
import { LAMP_EVENTS, Lamp } from './lamp'
import { lanAddress } from './lan-address'
import { Screen } from './screen'

const USAGE = `A lamp, a relay and the phone page, on this machine.

  --port PORT   default 8443; 0 takes a free one
  --host NAME   name or address of this machine that the phone can reach; default: its address in the network
  --certs PATH  a folder for what is made on the first run: certificates, the lamp's keys; default: certs/ of this package
  --pair        the code lets one phone in, after you compared four words; default: whoever has the code is in
`

/** The package's own folder, from `dist/examples/lamp`. */
const PACKAGE = join(__dirname, '../../..')

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8443' },
      host: { type: 'string', default: lanAddress() },
      certs: { type: 'string', default: join(PACKAGE, 'certs') },
      pair: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const { host, pair } = values
  const screen = new Screen(process.stdout)
  // A certificate says for which addresses it is: each has its own.
  const folder = join(values.certs, host.replaceAll(':', '_'))
  const { service } = await startRelay({
    config: { HOST: '0.0.0.0', PORT: Number(values.port), OPEN_DEVICES: true, CERTS_DIR: folder },
    hosts: ['localhost', '127.0.0.1', '::1', hostname(), host],
    logTo: new Writable({ write: (_chunk, _encoding, done) => done() }),
    signals: false
  })
  const address = `https://${host.includes(':') ? `[${host}]` : host}:${service.address.port}`

  const ask = askOnTerminal()
  const lamp = new Lamp(state => {
    device.state.set(state)
    screen.show(state)
  })
  const device = new Server({
    name: 'Lamp',
    events: LAMP_EVENTS,
    state: { value: lamp.state },
    watch: true,
    // What stops a sunrise must not wait for its end.
    concurrent: Object.keys(LAMP_EVENTS).filter(event => event !== 'sunrise'),
    handlerTimeout: 110_000,
    address,
    keys: { store: new FileStore(join(folder, 'device')) },
    approve: (phone, signal) => screen.pauseFor(() => ask(phone, signal))
  })
  await device.hostMiddleware(`wss://127.0.0.1:${service.address.port}`, lamp.handle, undefined, {
    tls: { ca: readFileSync(join(folder, 'ca/ca.crt'), 'utf8') }
  })
  const url = pair ? (await device.keys.invite({})).url : device.keys.sharedInvitation(address)
  screen.say(`${qrForTerminal(url)}

Scan this with the camera of your phone, which must be in the same network, or open it in a browser:
${url}

The browser will warn of the certificate, which this machine has made itself: go on all the same.
Ctrl+C ends it.
`)
  screen.show(lamp.state)

  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      void device
        .close({ timeout: 500 })
        .then(() => service.close())
        .finally(() => process.exit())
    })
}

main().catch((error: NodeJS.ErrnoException) => {
  const isTaken = error.code === 'EADDRINUSE' || (error.cause as NodeJS.ErrnoException)?.code === 'EADDRINUSE'
  console.error(isTaken ? 'The port is taken: take another by -- --port 0' : error.message)
  process.exit(1)
})
