import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect } from 'chai'
import { deadLinks } from '../helpers/markdown'
import { type Ended, Program, ROOT, remove, temporaryFolder } from '../helpers/program'

/** Uses the package as a user who has it from the tarball. */
const CONSUMER = `
import { createServer } from 'node:tls'
import { bySubject, Connection, TokenClient, TokenError, type TokenErrorCode, TokenServer } from 'token-server'
import { FakeClock, type MemoryPair, memoryPair } from 'token-server/testing'

const server = new TokenServer({ port: 0, authorize: bySubject('ann') })
server.on('token', (token: Buffer, connection: Connection) => connection.send(token))
server.on('close', (hadError: boolean, info) => console.log(hadError, info.unsent.toFixed()))
const client = new TokenClient({ host: 'localhost', port: 1 })
client.on('error', (error: TokenError) => {
  const code: TokenErrorCode = error.code
  // @ts-expect-error the union of codes is closed
  if (code === 'ERR_UNHEARD_OF') client.close()
})
// @ts-expect-error a token is a Buffer or Uint8Array
client.send('text')
// @ts-expect-error ALPN is set by the library itself
new TokenServer({ ALPNProtocols: ['token/1'] })
export const closed: Promise<unknown> = client.closed
const typed = new TokenServer<{ name: string }>({ port: 0, key: () => 'key', cert: () => 'certificate' })
typed.on('connection', connection => { connection.data = { name: connection.peer?.commonName ?? connection.id } })
// @ts-expect-error the data of a connection has its type
typed.on('connection', connection => { connection.data = 5 })
export const reached: number = typed.broadcast(Buffer.from('a'), { filter: one => one.data?.name === 'ann' }).taken
const { a, link }: MemoryPair = memoryPair({ clock: new FakeClock() })
link.chop(3)
const memory = new Connection(a, { protocol: 'token/2', role: 'client' })
export const delivered: Promise<void> = memory.deliver(Buffer.from('one'), { timeout: 1000 })
// @ts-expect-error a name of the list
memory.goaway({ code: 'unheard-of', retryAfter: 0, reason: '' })
void createServer
`

describe('the packed package', function () {
  this.timeout(60_000)
  let folder: string
  let tarball: string
  let packed: string[]

  before(async () => {
    folder = temporaryFolder()
    // Without scripts: prepack would clean dist/, from which this test runs.
    const { stdout } = await succeed('npm', [
      ...['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
    ])
    const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }]
    tarball = join(folder, filename)
    packed = files.map(({ path }) => path).sort()
  })
  after(() => remove(folder))

  it('holds what a user needs, and nothing else', () => {
    const sources = filesIn('lib')
    const expected = [
      ...['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json'],
      ...['docs', 'examples'].flatMap(name => filesIn(name).map(file => `${name}/${file}`)),
      'certs-scripts/README.md',
      ...sources.map(source => `lib/${source}`),
      ...sources
        .filter(source => source.endsWith('.ts'))
        .flatMap(source =>
          ['js', 'js.map', 'd.ts', 'd.ts.map'].map(ending => `dist/lib/${source.replace(/ts$/, ending)}`)
        )
    ]
    expect(packed).to.deep.equal(expected.sort())
  })

  it('has no dependencies', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const { dependencies, peerDependencies, optionalDependencies } = manifest
    expect([dependencies, peerDependencies, optionalDependencies]).to.deep.equal([
      undefined,
      undefined,
      undefined
    ])
  })

  it('is clean to publint', async () => {
    await succeed(bin('publint'), ['run', tarball, '--strict'])
  })

  it('has types that every way of resolving finds (attw)', async () => {
    await succeed(bin('attw'), [tarball])
  })

  describe('installed from the tarball, offline', () => {
    let user: string

    before(async () => {
      user = join(folder, 'user')
      mkdirSync(user)
      writeFileSync(join(user, 'package.json'), '{ "private": true }')
      await succeed('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], user)
    })

    it('has no dead link in any of its pages', () => {
      const root = join(user, 'node_modules/token-server')
      const pages = packed.filter(path => path.endsWith('.md'))
      expect(pages).to.include.members(['README.md', 'docs/api.md', 'certs-scripts/README.md'])
      expect(pages.flatMap(page => deadLinks(root, page))).to.deep.equal([])
    })

    const DOORS = {
      'token-server': [
        ...['Connection', 'TokenClient', 'TokenError', 'TokenServer', 'TokenStream'],
        ...['byFingerprint', 'bySan', 'bySubject', 'fullJitter']
      ],
      'token-server/testing': ['FakeClock', 'memoryPair', 'seededRandom']
    }

    for (const [door, names] of Object.entries(DOORS)) {
      it(`gives the same ${door} to require and to import`, async () => {
        writeFileSync(
          join(user, 'both.mjs'),
          `import { createRequire } from 'node:module'
          import * as imported from '${door}'
          const required = createRequire(import.meta.url)('${door}')
          const names = Object.keys(required).sort()
          console.log(names.join(), names.every(name => required[name] === imported[name]))`
        )
        const { stdout } = await succeed(process.execPath, ['both.mjs'], user)
        expect(stdout).to.equal(`${names.join()} true\n`)
      })
    }

    it('has a test kit whose clock is that of the library', async () => {
      writeFileSync(
        join(user, 'clock.cjs'),
        `const { Connection } = require('token-server')
        const { FakeClock, memoryPair } = require('token-server/testing')
        const clock = new FakeClock()
        clock.install()
        const connection = new Connection(memoryPair().a, { idleTimeout: 86_400_000 })
        connection.on('close', (_hadError, info) => console.log(info.code))
        clock.elapse(86_400_000)`
      )
      const { stdout } = await succeed(process.execPath, ['clock.cjs'], user)
      expect(stdout).to.equal('ERR_IDLE_TIMEOUT\n')
    })

    it('compiles in a strict TypeScript project, as CommonJS and as ES module', async () => {
      for (const name of ['user.cts', 'user.mts']) writeFileSync(join(user, name), CONSUMER)
      const compilerOptions = {
        ...{ module: 'nodenext', target: 'es2023', strict: true, exactOptionalPropertyTypes: true },
        ...{ noEmit: true, types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] }
      }
      writeFileSync(join(user, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
      await succeed(bin('tsc'), ['-p', '.'], user)
    })
  })
})

describe('what npm packs of a clone that nobody has built', function () {
  this.timeout(120_000)
  let folder: string

  before(() => {
    folder = join(temporaryFolder(), 'clone')
    // What git leaves out.
    const isMade = /(^|\/)(node_modules|dist|coverage|\.nyc_output|certs|\.git|results)$/
    cpSync(ROOT, folder, { recursive: true, filter: path => !isMade.test(relative(ROOT, path)) })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction')
  })
  after(() => remove(dirname(folder)))

  it('of certs-scripts is the program, its types, its page and its license, without a dead link', async () => {
    const root = join(folder, 'certs-scripts')
    const files = await packedFrom(root)
    expect(files).to.include.members([
      ...['README.md', 'LICENSE', 'package.json', 'bin/token-certs.ts', 'dist/bin/token-certs.js'],
      ...filesIn('certs-scripts/lib').flatMap(source =>
        ['js', 'd.ts'].map(ending => `dist/lib/${source.replace(/ts$/, ending)}`)
      )
    ])
    expect(files.filter(path => /\btest\b/.test(path))).to.deep.equal([])
    expect(files.filter(path => path.endsWith('.md')).flatMap(page => deadLinks(root, page))).to.deep.equal(
      []
    )
    const { stdout } = await succeed(process.execPath, [join(root, 'dist/bin/token-certs.js'), '--help'])
    expect(stdout).to.include('Usage:')
  })

  // It builds everything, which takes longer than all other tests of this file.
  if (process.env.LONG) {
    it('of the root is the library', async () => {
      const files = await packedFrom(folder)
      expect(files).to.include.members(['dist/lib/index.js', 'dist/lib/index.d.ts', 'examples/seed.cjs'])
    })
  }

  /** Packs with all scripts, and reads the list of what is in the tarball. */
  async function packedFrom(root: string): Promise<string[]> {
    // npm prints what prepack writes before its own list.
    const { stdout } = await succeed('npm', ['pack', '--json', '--pack-destination', dirname(folder)], root)
    const [{ filename }] = JSON.parse(stdout.slice(stdout.search(/^\[$/m))) as [{ filename: string }]
    const { stdout: list } = await succeed('tar', [
      '-tzf',
      join(dirname(folder), filename.replace(/^@|\//g, ''))
    ])
    return list
      .trim()
      .split('\n')
      .map(path => path.replace('package/', ''))
  }
})

/** Paths within a folder of this repository. */
function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(join(ROOT, folder), join(entry.parentPath, entry.name)))
}

function bin(name: string): string {
  return join(ROOT, 'node_modules/.bin', name)
}

/** Runs to the end without nyc's and npm's environment, and expects exit code 0. */
async function succeed(command: string, args: string[], cwd = ROOT): Promise<Ended> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(NYC_|NODE_OPTIONS|npm_)/.test(name))
  const ended = await new Program(command, args, cwd, Object.fromEntries(kept)).ended
  expect(ended.code, `${command} ${args.join(' ')}\n${ended.stdout}${ended.stderr}`).to.equal(0)
  return ended
}
