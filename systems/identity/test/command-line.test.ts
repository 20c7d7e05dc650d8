import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { remove, runNode, temporaryFolder } from '@token-server/test-helpers'
import { expect } from 'chai'
import { createVerifier, type Identity } from '../lib'
import { runTokenJwt } from '../lib/command-line'
import { SECRET } from './helpers/tokens'

const HOUR = 3_600_000

describe('token-jwt', () => {
  let cwd: string
  before(() => {
    cwd = temporaryFolder()
    writeFileSync(join(cwd, 'secret'), `${SECRET}\n`)
    writeFileSync(join(cwd, 'short'), 'shhhhh\n')
  })
  after(() => remove(cwd))

  async function run(args: string, env: NodeJS.ProcessEnv = { JWT_SECRET: SECRET }) {
    let stdout = ''
    let stderr = ''
    const code = await runTokenJwt(args.split(' ').filter(Boolean), {
      cwd,
      env,
      print: text => {
        stdout += text
      },
      printError: text => {
        stderr += text
      }
    })
    return { code, stdout, stderr }
  }

  async function signed(args: string, env?: NodeJS.ProcessEnv): Promise<Identity> {
    const { code, stdout, stderr } = await run(args, env)
    expect(stderr).to.equal('')
    expect(code).to.equal(0)
    expect(stdout).to.match(/^[\w.-]+\n$/)
    return await createVerifier({ issuers: { secret: SECRET } }).verify(stdout.trim())
  }

  function claimsOf(token: string): Record<string, unknown> {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  }

  it('signs for a user, for an hour, with a number of its own each time', async () => {
    const [first, second] = await Promise.all([signed('--user 68946'), signed('--user 68946')])
    expect(first).to.include({ id: '68946', kind: 'user' })
    expect(first.expiresAt - (first.issuedAt ?? 0)).to.equal(HOUR)
    expect(first.tokenId)
      .to.match(/^[\da-f-]{36}$/)
      .and.not.equal(second.tokenId)
  })

  it('signs for as long as it is told', async () => {
    for (const [ttl, milliseconds] of [
      ['90s', 90_000],
      ['15m', 900_000],
      ['1h', HOUR],
      ['30d', 30 * 24 * HOUR]
    ] as const) {
      const { expiresAt, issuedAt } = await signed(`--user 7 --ttl ${ttl}`)
      expect(expiresAt - (issuedAt ?? 0), ttl).to.equal(milliseconds)
    }
  })

  it('signs for a handler, with patterns of topics', async () => {
    const identity = await signed(
      '--handler contacts --publish +_contact_list --subscribe request_contact --publish x'
    )
    expect(identity).to.deep.include({
      id: 'handler:contacts',
      kind: 'handler',
      name: 'contacts',
      publish: ['+_contact_list', 'x'],
      subscribe: ['request_contact']
    })
  })

  it('signs for a device, of a user or of itself', async () => {
    expect(await signed('--device lamp')).to.include({ id: 'lamp', kind: 'device', name: 'lamp' })
    expect(await signed('--device lamp --user 7')).to.include({ id: '7', kind: 'device', name: 'lamp' })
  })

  it('signs for a guest and for an admin', async () => {
    expect((await signed('--user g-1 --kind guest')).kind).to.equal('guest')
    expect(await signed('--user ops --kind admin --name Ann')).to.include({ kind: 'admin', name: 'Ann' })
  })

  it('signs as seed 004 does: levelOnEntity is a string, and exp a string of milliseconds', async () => {
    const { stdout } = await run(
      '--user-uuid u-1 --entity-uuid e-1 --level 100 --ttl 1h --audience a --issuer i'
    )
    const claims = claimsOf(stdout)
    expect(claims).to.deep.include({
      aud: 'a',
      iss: 'i',
      sub: 'u-1',
      userUUID: 'u-1',
      entityUUID: 'e-1',
      levelOnEntity: '100'
    })
    expect(claims.exp).to.match(/^\d{13}$/)
    const identity = await createVerifier({ issuers: { secret: SECRET } }).verify(stdout.trim())
    expect(identity).to.include({ id: 'u-1', org: 'e-1', level: 100, kind: 'user' })
  })

  it('takes audience and issuer from the environment, and the secret by its old name, with a word', async () => {
    const { stdout, stderr } = await run('--user 7', {
      JWT_MASTER_SECRET: SECRET,
      AUDIENCE: 'a',
      ISSUER: 'i'
    })
    expect(claimsOf(stdout)).to.include({ aud: 'a', iss: 'i' })
    expect(stderr).to.equal('JWT_MASTER_SECRET is an old name: it is read as JWT_SECRET\n')
  })

  it('takes the secret from .env, and that of the environment before it', async () => {
    const file = join(cwd, '.env')
    try {
      writeFileSync(file, `JWT_SECRET="${SECRET}"\n`)
      expect((await signed('--user 7', {})).id).to.equal('7')
      writeFileSync(file, 'JWT_SECRET=shhhhh\n')
      expect((await signed('--user 7')).id).to.equal('7')
    } finally {
      remove(file)
    }
  })

  it('takes the secret from a file, without the end of its line', async () => {
    expect((await signed('--user 7 --secret-file secret', {})).id).to.equal('7')
    expect((await signed(`--user 7 --secret-file ${join(cwd, 'secret')}`, { JWT_SECRET: 'x' })).id).to.equal(
      '7'
    )
  })

  it('takes an empty variable of the environment for one that is not set', async () => {
    const file = join(cwd, '.env')
    try {
      writeFileSync(file, `JWT_SECRET=${SECRET}\nISSUER=idp\n`)
      const { id, issuer } = await signed('--user 7', { JWT_SECRET: '', ISSUER: '' })
      expect([id, issuer]).to.deep.equal(['7', 'idp'])
    } finally {
      remove(file)
    }
  })

  it('reads .env and the file of a secret also with a byte order mark, as Windows writes it', async () => {
    const [file, secret] = [join(cwd, '.env'), join(cwd, 'windows')]
    try {
      writeFileSync(file, `\uFEFFJWT_SECRET=${SECRET}\r\n`)
      expect((await signed('--user 7', {})).id).to.equal('7')
      writeFileSync(secret, `\uFEFF${SECRET}\r\n`)
      expect((await signed('--user 7 --secret-file windows', {})).id).to.equal('7')
    } finally {
      remove(file)
      remove(secret)
    }
  })

  it('takes a short secret for development only', async () => {
    const { code, stderr } = await run('--user 7 --secret-file short', {})
    expect(code).to.equal(1)
    expect(stderr).to.include('6 bytes long, the least is 32').and.not.include('shhhhh')
    expect((await run('--user 7 --secret-file short --dev', {})).code).to.equal(0)
  })

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['', /it is of nobody/],
    ['--user=', /userId is empty/],
    ['--user 7 --user-uuid u', /two kinds of tokens/],
    ['--handler h --device d', /a handler and a device/],
    ['--user 7 --level 5', /belong to userUUID/],
    ['--user-uuid u --level high', /--level is "high"/],
    ['--user 7 --ttl 1', /--ttl is "1", and must be as 90s/],
    ['--user 7 --ttl 0h', /--ttl is "0h"/],
    ['--user 7 --kind root', /kind is none of user, device/],
    ['--user 7 --handler', /--handler/],
    ['--user 7 --secret shhhhh', /Unknown option '--secret'/],
    ['68946', /Unexpected argument/],
    ['--user 7 --secret-file nowhere', /--secret-file can't be read: ENOENT/]
  ]
  for (const [args, words] of wrong) {
    it(`says in words what is wrong with "${args}", and prints no token`, async () => {
      const { code, stdout, stderr } = await run(args)
      expect(code).to.equal(1)
      expect(stdout).to.equal('')
      expect(stderr)
        .to.match(words)
        .and.match(/token-jwt --help/)
    })
  }

  it('says where a secret can come from when there is none', async () => {
    const { stderr } = await run('--user 7', {})
    expect(stderr).to.include('Set JWT_SECRET in the environment or in .env, or give --secret-file')
  })

  it('runs as a program, and has a page of help', async () => {
    const bin = join(__dirname, '../../bin/token-jwt.js')
    const env = { ...process.env, JWT_SECRET: SECRET }
    const help = await runNode([bin, '--help'], cwd, env)
    expect(help.stdout).to.include('Usage: token-jwt WHO')
    const { code, stdout } = await runNode([bin, '--user', '68946', '--ttl', '1h'], cwd, env)
    expect(code).to.equal(0)
    expect(claimsOf(stdout).user_id).to.equal('68946')
    expect((await runNode([bin], cwd, env)).code).to.equal(1)
  })
})
