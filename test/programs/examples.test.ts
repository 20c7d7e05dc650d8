import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { copyExample, exampleFolder } from '../helpers/example-copies'
import { Program, remove, runNode } from '../helpers/program'

const GREETING = 'The client says: Hello!\nThe server responds I am happy to see you!\n'
const RUNS = process.env.LONG ? 100 : 20

describe('examples, against the built package', () => {
  let folder: string

  before(async () => {
    folder = await exampleFolder()
  })
  after(() => remove(folder))

  async function copyOf(example: string): Promise<string> {
    return (await copyExample(example, folder)).name
  }

  /** Both lines are printed; then the program stays up, as it has no close(), and is killed. */
  async function greets(example: string): Promise<void> {
    const program = new Program(process.execPath, [await copyOf(example)], folder)
    try {
      await program.printed('The server responds I am happy to see you!\n')
    } finally {
      program.kill()
    }
    const { stdout, stderr, signal } = await program.ended
    expect([stdout, stderr, signal]).to.deep.equal([GREETING, '', 'SIGTERM'])
  }

  it('the seed, with import, prints both lines', () => greets('seed.mjs'))

  it(`the seed prints both lines, ${RUNS} times of ${RUNS}, though its client dials as its server begins to listen`, async function () {
    this.timeout(RUNS * 5000)
    for (let run = 0; run < RUNS; run += 4) {
      await Promise.all(Array.from({ length: 4 }, () => greets('seed.cjs')))
    }
  })

  for (const example of ['hello.cjs', 'hello.mjs']) {
    it(`${example} prints both lines and exits`, async () => {
      const { code, stdout, stderr } = await runNode([await copyOf(example)], folder)
      expect([stdout, stderr]).to.deep.equal([`${GREETING}The client is closed\nThe server is closed\n`, ''])
      expect(code).to.equal(0)
    })
  }

  const OUTPUT = {
    'deliver.cjs': [
      'The server has first',
      'first: processed',
      'The server has second',
      'second: unknown: ask before you repeat it',
      'third: not processed, and never will be: send it again'
    ],
    'request.cjs': [
      '3 apples',
      "[ '7 apples', '11 apples' ]",
      'A handler of the server failed: there are no negative fruits',
      'ERR_HANDLER_FAILED Cannot have a token handled: the peer had it, and its handler failed: there are no negative fruits'
    ],
    'authorize.cjs': [
      'The server lets in CN=client',
      'Cannot connect: the server refused this client with refused, "closed on Sundays"',
      'The server refused someone: ERR_REFUSED'
    ],
    'reconnect.cjs': [
      'connected',
      'lost: shutdown',
      'dial 1 follows',
      'connected',
      'The server has what was sent meanwhile',
      'closed for good'
    ],
    'graceful-restart.cjs': [
      'connected',
      'lost: shutdown',
      'connected',
      '1001 of 1001 arrived, in order: true'
    ],
    'session.cjs': [
      'connected',
      ...['cut', 'resumed', 'cut', 'resumed', 'cut', 'resumed'],
      '1000 sent, 0 missing, 0 twice, in order: true'
    ]
  }

  for (const [example, lines] of Object.entries(OUTPUT)) {
    it(`${example} prints what became of everything, and exits`, async () => {
      const { code, stdout, stderr } = await runNode([await copyOf(example)], folder)
      // Two programs in one: which of them tells an end first is not settled.
      expect([stdout.trimEnd().split('\n').sort(), stderr]).to.deep.equal([[...lines].sort(), ''])
      expect(code).to.equal(0)
    })
  }

  it('server.cjs and client.cjs are two programs: an order is stored, one is refused, and SIGTERM ends the server', async () => {
    const { name, port } = await copyExample('server.cjs', folder)
    const { name: itsClient } = await copyExample('client.cjs', folder, port)
    const server = new Program(process.execPath, [name], folder)
    try {
      await server.printed(`The server listens on port ${port}\n`)
      const client = await runNode([itsClient], folder)
      expect([client.stdout.split('\n'), client.stderr, client.code]).to.deep.equal([
        [
          'order 7 is stored',
          'order 8: ERR_HANDLER_FAILED: Cannot have a token handled: the peer had it, and its handler failed: a price must be above 0',
          ''
        ],
        '',
        0
      ])
    } finally {
      server.kill()
    }
    const { stderr, code } = await server.ended
    expect(readFileSync(join(folder, 'orders.txt'), 'utf8')).to.equal('client 7 3.2\n')
    expect(stderr).to.include('a price must be above 0')
    expect(code).to.equal(0)
  })

  it('work-queue.cjs hands a job out again that failed, or was with a worker whose connection was lost', async () => {
    const { code, stdout, stderr } = await runNode([await copyOf('work-queue.cjs')], folder)
    const lines = stdout.trimEnd().split('\n')
    expect([lines.at(-1), stderr, code]).to.deep.equal(['0 jobs are left', '', 0])
    expect(lines).to.include('job 7 comes again: ERR_HANDLER_FAILED')
    expect(lines).to.include('job 20 comes again: ERR_FATE_UNKNOWN')
  })

  it('publish.cjs sends a token to all, and one to all but one', async () => {
    const { code, stdout, stderr } = await runNode([await copyOf('publish.cjs')], folder)
    const lines = stdout.trimEnd().split('\n').sort()
    // Who comes last is not settled.
    const more = lines.filter(line => line.endsWith(' reads more'))
    const others = ['first', 'second', 'third'].map(name => `${name} reads the news`)
    const said = ['published to 2 others', 'published to 3, 0 refused', 'the server has closed']
    expect([new Set(more).size, lines.filter(line => !more.includes(line)), stderr]).to.deep.equal([
      2,
      [...others, ...said].sort(),
      ''
    ])
    expect(code).to.equal(0)
  })

  it('file.cjs sends a file with its name, and says how far it is', async () => {
    const file = join(folder, 'a file.bin')
    writeFileSync(file, randomBytes(5_000_000))
    const { code, stdout, stderr } = await runNode([await copyOf('file.cjs'), file], folder, {
      ...process.env,
      TMPDIR: folder
    })
    const received = join(folder, 'received-a file.bin')
    expect([stdout.replace(/\d+(?= % sent)/g, ''), stderr]).to.deep.equal([
      `${' % sent\n'.repeat(4)}5000000 bytes are in ${received}\n`,
      ''
    ])
    expect(readFileSync(received).equals(readFileSync(file))).to.equal(true)
    expect(code).to.equal(0)
  })

  it('stream.cjs sends a file that is longer than any token may be, and both ends have the same bytes', async () => {
    const file = join(folder, 'large')
    writeFileSync(file, randomBytes(20 * 1024 * 1024))
    const digest = createHash('sha256').update(readFileSync(file)).digest('hex')
    const { code, stdout, stderr } = await runNode([await copyOf('stream.cjs'), file], folder)
    const lines = [`received ${digest}`, `sent     ${digest}`, 'the server has stored it']
    expect([stdout.trimEnd().split('\n').sort(), stderr]).to.deep.equal([lines.sort(), ''])
    expect(code).to.equal(0)
  })
})
