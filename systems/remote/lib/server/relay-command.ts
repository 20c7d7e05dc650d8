import { signToken, tokenClaims } from '@token-server/identity'
import { readCommandConfig } from '@token-server/service'
import { relaySchema } from './relay-config'
import { type RunningRelay, startRelay } from './start-relay'

const USAGE = `token-relay [--dev]

Starts a relay between devices and clients. It is configured by the environment or a file .env: JWT_SECRET (at least 32 bytes) or
JWT_JWKS_URL, OPEN_DEVICES, PORT (8443), HOST, TLS_KEY, TLS_CERT, REDIS_URL, ADMIN_PORT and others, see docs/relay.md.

  --dev   makes a secret when there is none, prints a token and two programs to try, and listens on this machine only
          unless HOST is set
  --help  prints this
`

const USER = '68946'

/** What was started, and what to try it with. */
export interface StartedRelay extends RunningRelay {
  /** Of a user, whose devices and clients it lets in. */
  readonly token: string | undefined
  /** undefined: somebody else made it, or there is none. */
  readonly madeAdminToken: string | undefined
  readonly ca: string
}

/** @returns undefined: help was asked for */
export async function runRelay(args: readonly string[]): Promise<StartedRelay | undefined> {
  const command = readCommandConfig(args, USAGE, relaySchema)
  if (command === undefined) return undefined
  const { config, notices, secrets, dev, madeAdminToken, ca } = command
  const running = await startRelay({ config, notices, secrets, dev })
  const secret = config.JWT_SECRET
  const token =
    dev && secret !== undefined ? await signToken(tokenClaims({ userId: USER }), { secret, dev }) : undefined
  return { ...running, token, madeAdminToken, ca }
}

/** Where the relay listens, and two programs that work as printed. */
export function printHowToTryRelay({ service, token, madeAdminToken, ca }: StartedRelay): void {
  const { port } = service.address
  const url = `wss://localhost:${port}`
  console.log(
    `The relay listens on ${url}/remote, tokens://localhost:${port} and https://localhost:${port}/r`
  )
  if (token === undefined) return
  console.log(`
The token of user ${USER}, good for one hour:
${token}

A device, and a client of it from another terminal, both in this folder:
TOKEN=${token} NODE_EXTRA_CA_CERTS=${ca} node -e '${DEVICE.replace('URL', url)}'
TOKEN=${token} NODE_EXTRA_CA_CERTS=${ca} DEVICE=… node -e '${CLIENT.replace('URL', url)}'

Devices and clients: curl -H "authorization: Bearer ${madeAdminToken ?? '$ADMIN_TOKEN'}" http://localhost:${service.admin?.address.port}/relay.json
`)
}

const DEVICE = `const Server = require("@token-server/remote"); const device = new Server(); device.hostMiddleware("URL", ({ event }) => event + " done", "the same words", { jwt: process.env.TOKEN }).then(() => console.log("DEVICE=" + device.hub.deviceId))`

const CLIENT = `const { Client } = require("@token-server/remote"); const client = new Client({ jwt: process.env.TOKEN }); client.connect("URL?device=" + process.env.DEVICE, "the same words").then(() => client.send("light")).then(console.log).finally(() => client.close())`
