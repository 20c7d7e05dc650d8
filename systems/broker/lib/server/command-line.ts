import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { signToken, type TokenSubject, tokenClaims } from '@token-server/identity'
import { readCommandConfig } from '@token-server/service'
import { brokerSchema } from './config'
import { type RunningBroker, startBroker } from './start-broker'

const USAGE = `token-broker [--dev]

Starts the broker. It is configured by the environment or a file .env: JWT_SECRET (at least 32 bytes) or JWT_JWKS_URL, PORT (8883), HOST,
TLS_KEY, TLS_CERT, STORE_DIR, COMMANDS and others, see the README.

  --dev   makes a secret when there is none, prints a device's and a handler's token, and listens on this machine only
          unless HOST is set
  --help  prints this
`

const USER = '68946'
const HANDLER = 'contacts'

/** What was started, and tokens to try it. */
export interface Started extends RunningBroker {
  readonly tokens: { readonly device: string; readonly handler: string } | undefined
  /** undefined: somebody else made it, or there is none. */
  readonly madeAdminToken: string | undefined
  readonly ca: string
}

/** @returns undefined: help was asked for */
export async function run(args: readonly string[]): Promise<Started | undefined> {
  const command = readCommandConfig(args, USAGE, brokerSchema)
  if (command === undefined) return undefined
  const { config, notices, secrets, dev, madeAdminToken, ca } = command
  const running = await startBroker({ config, notices, secrets, dev })
  const sign = (subject: TokenSubject) =>
    signToken(tokenClaims(subject), { secret: config.JWT_SECRET as string })
  const tokens = dev
    ? { device: await sign({ userId: USER }), handler: await sign({ handler: HANDLER }) }
    : undefined
  return { ...running, tokens, madeAdminToken, ca }
}

/** Where the broker listens, and two commands that work as printed. */
export async function printHowToTry({ service, tokens, madeAdminToken, ca }: Started): Promise<void> {
  const { port } = service.address
  console.log(`The broker listens on mqtts://localhost:${port} and wss://localhost:${port}/mqtt`)
  if (tokens === undefined) return
  const login = (token: string) => `-h localhost -p ${port} --cafile ${ca} -u JWT -P ${token}`
  console.log(`
The token of a device (user ${USER}), good for one hour:
${tokens.device}

The token of a handler (${HANDLER}), good for one hour:
${tokens.handler}

Subscribe as the device, and publish to it as the handler from another terminal:
mosquitto_sub ${login(tokens.device)} -q 1 -t ${USER}_contact_list
mosquitto_pub ${login(tokens.handler)} -q 1 -t ${USER}_contact_list -m '["Ada"]'

The status page: http://localhost:${service.admin?.address.port}/status
Any user name; the password is ${madeAdminToken ?? 'ADMIN_TOKEN'}
`)
  const isThere = await promisify(execFile)('mosquitto_sub', ['--help']).then(
    () => true,
    (error: { code?: unknown }) => error.code !== 'ENOENT'
  )
  if (!isThere) console.log('(mosquitto_sub is not installed here: apt-get install mosquitto-clients)')
}
