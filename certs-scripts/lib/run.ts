import { addClients, renewServer } from './add-certs'
import { shellWord, whereOf } from './advice'
import { type Command, parseCommandLine, usage } from './command-line'
import { CertsError, type CertsErrorCode, reasonOf } from './errors'
import { listCerts } from './list-certs'
import { makeCerts } from './make-certs'
import { listOf, tableOf } from './report'

/** What a command needs of its process. */
export interface Surroundings {
  /** How the user calls the program, for the advice at the end. */
  readonly self: string
  print(text: string): void
  printError(text: string): void
}

const badInput: readonly CertsErrorCode[] = [
  'ERR_CERTS_ARGUMENT',
  'ERR_CERTS_NAME',
  'ERR_CERTS_HOST',
  'ERR_CERTS_VALIDITY'
]

/** Runs the command line; the answer is the exit code: 0 done, 1 could not, 2 bad command line. Never rejects. */
export async function run(
  args: readonly string[],
  { self, print, printError }: Surroundings
): Promise<number> {
  let command: Command | undefined
  try {
    command = parseCommandLine(args)
    print(await answer(command, self))
    return 0
  } catch (error) {
    printError(`${messageOf(error)}${hintFor(error, command, self)}\n`)
    return error instanceof CertsError && badInput.includes(error.code) ? 2 : 1
  }
}

async function answer(command: Command, self: string): Promise<string> {
  switch (command.kind) {
    case 'help':
      return usage
    case 'list':
      return listOf(await listCerts(command.out), new Date())
    case 'client':
      return tableOf(await addClients(command.options))
    case 'server':
      return tableOf(await renewServer(command.options))
    case 'make':
      return `${tableOf(await makeCerts(command.options))}${nextSteps(command.options.out, self)}`
  }
}

function nextSteps(out: string, self: string): string {
  const where = whereOf(out)
  return `
The keys lie beside their certificates; ca.key signs new clients, so keep it away from the server.
Next:
  ${self} client NAME${where}  signs another client
  ${self} list${where}         shows what expires when
`
}

// A defect of ours still gets one line, and no stack.
function messageOf(error: unknown): string {
  return error instanceof CertsError ? error.message : `Cannot finish: ${reasonOf(error)}`
}

/** What to do next; nothing that is advised here loses a name or an authority. */
function hintFor(error: unknown, command: Command | undefined, self: string): string {
  if (!(error instanceof CertsError)) return ''
  if (error.code === 'ERR_CERTS_ARGUMENT') return `; see ${self} --help`
  if (error.code === 'ERR_CERTS_EXISTS') return renewalHint(command, self)
  if (error.code !== 'ERR_CERTS_MISSING') return ''
  if (command?.kind !== 'make') return `. To make an authority and its certificates, run: ${self}`
  return '. Put the authority back, or make another one with --new-authority'
}

function renewalHint(command: Command | undefined, self: string): string {
  if (command === undefined || !('options' in command)) return ''
  const where = whereOf(command.options.out)
  const server = `${self} server --force${where}`
  if (command.kind === 'server') return `. To renew it, run: ${server}`
  if (command.kind === 'make') {
    return `. To renew the server, run: ${server}; a client: ${self} client NAME --force${where}`
  }
  const names = command.options.clients.map(shellWord).join(' ')
  return `. To renew what exists, run: ${self} client ${names} --force${where}`
}
