import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { KeyRing } from '../../lib/keys/key-ring'
import { qrForTerminal } from '../../lib/keys/qr-code'
import { runOwnerCommand } from '../../lib/server/owner-command'
import { parseInvitation } from '../../lib/wire/invitation'
import { ADDRESS, suite } from '../helpers/key-rings'

describe('token-remote', () => {
  let folder: string
  let ring: KeyRing

  beforeEach(async () => {
    folder = join(mkdtempSync(join(tmpdir(), 'owner-')), 'remote-keys')
    ring = await KeyRing.open({ suite, folder })
    await ring.setAddress(ADDRESS)
  })

  afterEach(async () => {
    await ring.close()
    rmSync(join(folder, '..'), { recursive: true })
  })

  /** What the command says and returns; `typed` is what the owner types. */
  async function run(args: string, typed?: Promise<string>) {
    const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
    void typed?.then(text => input.write(text))
    const env = { REMOTE_KEYS: folder }
    const code = await runOwnerCommand(args.split(' '), { env, input, output, errors })
    return { code, said: `${output.read() ?? ''}`, errors: `${errors.read() ?? ''}` }
  }

  /** A phone that comes with the invitation that a command has shown. */
  async function come(url: string, name = 'Ann'): Promise<string> {
    const id = (await invitations()).find(each => each.url === url)?.id ?? ''
    await ring.claim(id, { enc: 'e', commit: 'c', nonce: 'n', name })
    const key = {
      id: `k${name}`,
      psk: crypto.getRandomValues(new Uint8Array(32)),
      words: 'one two three four'
    }
    return (await ring.admit(id, 'e', key))?.id ?? ''
  }

  async function invitations(): Promise<{ id: string; url: string; [name: string]: unknown }[]> {
    await ring.reload()
    const { invitations } = JSON.parse(readFileSync(join(folder, 'keys.json'), 'utf8'))
    return invitations.map((each: { id: string; psk: string }) => {
      const p = Buffer.from(ring.publicKey).toString('base64url')
      return { ...each, url: `${ADDRESS}/r#v=2&d=${ring.deviceId}&p=${p}&k=${each.psk}&m=paired` }
    })
  }

  it('invites a phone with a QR code, a scope and an end', async () => {
    const { code, said } = await run('invite --name Ann --events on,lamp.* --until 30d --lifetime 5m')
    expect(code).to.equal(0)
    const [invitation] = await invitations()
    expect(said).to.include(`${qrForTerminal(invitation?.url ?? '')}\n${invitation?.url}\n`)
    expect(said).to.include('within 5m')
    expect(invitation?.scope).to.have.property('events').that.deep.equals(['on', 'lamp.*'])
    const day = 86_400_000
    const until = Number((invitation?.scope as { until?: number } | undefined)?.until) - Date.now()
    expect(until).to.be.within(30 * day - 60_000, 30 * day)
    expect((invitation?.endsAt as number) - Date.now()).to.be.within(4 * 60_000, 5 * 60_000)
    expect(invitation).to.include({ name: 'Ann', asks: true })
    expect((await run('invite --unattended')).code).to.equal(0)
    expect((await invitations())[1]).to.include({ asks: false })
  })

  it('says a code to type, which the running device will hand to its relays', async () => {
    const { said } = await run('invite --code')
    const code = /type this code at https:\/\/lamp.example:8443\/r: (\w{5}-\w{5})\n/.exec(said)?.[1]
    expect(said).to.include('within 2m')
    await ring.reload()
    expect(ring.coded().map(each => each.code)).to.deep.equal([code])
    expect(ring.coded()[0]?.url).to.equal((await invitations())[0]?.url)
    for (const [url, page] of [
      ['https://lamp.example/home', 'https://lamp.example/home/r'],
      ['wss://lamp.example/remote', 'https://lamp.example/r'],
      ['ws://localhost:8080', 'http://localhost:8080/r'],
      ['tokens://lamp.example:9000', 'https://lamp.example:9000/r']
    ])
      expect((await run(`invite --code --url ${url}`)).said).to.include(`type this code at ${page}: `)
  })

  it('waits for the phone, and asks with the words', async () => {
    for (const answer of ['y', 'n']) {
      const came = once(ring, 'change').then(async () => {
        await come((await invitations()).at(-1)?.url ?? '', answer)
        return `${answer}\n`
      })
      const { code, said } = await run('invite --wait', came)
      expect(code).to.equal(0)
      expect(said).to.include(`${answer} wants in. Its screen must show: one two three four`)
      await ring.reload()
      const phone = ring.phones().find(({ name }) => name === answer)
      if (answer === 'y') expect(phone?.state).to.equal('approved')
      else expect(phone).to.equal(undefined)
    }
  })

  it('stops waiting when the time of the invitation is over', async () => {
    const { code, said } = await run('invite --wait --lifetime 1s')
    expect(code).to.equal(1)
    expect(said).to.include('No phone has come')
  })

  it('stops waiting when the invitation is taken back', async () => {
    const revoked = once(ring, 'change').then(async () => {
      await ring.revoke((await invitations())[0]?.id ?? '')
      return ''
    })
    const { code, said } = await run('invite --wait', revoked)
    expect(code).to.equal(1)
    expect(said).to.include('No phone has come')
  })

  it('lists phones, approves and revokes them, and says when there is no such one', async () => {
    expect((await run('phones')).said).to.equal('There are no phones.\n')
    await run('invite --events on')
    const id = await come((await invitations())[0]?.url ?? '')
    const waits = `${id}  Ann: waits for you: its screen must show one two three four; may send on; never seen\n`
    expect((await run('phones')).said).to.equal(waits)
    expect(await run(`approve ${id}`)).to.include({ code: 0, said: `${id} is in.\n` })
    expect(await run(`approve ${id}`)).to.include({ code: 3, said: '' })
    ring.touched(id)
    await ring.reload()
    await ring.approve('nobody')
    expect((await run('phones')).said).to.match(/Ann: approved; may send on; last seen \ds ago\n$/)
    expect(JSON.parse((await run('phones --json')).said)[0]).to.include({ id, state: 'approved' })
    const revoked = once(ring, 'revoked')
    expect(await run(`revoke ${id}`)).to.include({ code: 0, said: `${id} counts no more.\n` })
    expect(await revoked).to.deep.equal([id])
    expect(await run(`revoke ${id}`)).to.include({
      code: 3,
      errors: `token-remote: Nobody has the id ${id}.\n`
    })
  })

  it('shows the shared key, and writes pictures for the owner alone', async () => {
    const [svg, gif] = [join(folder, '../key.svg'), join(folder, '../key.gif')]
    const { code, said } = await run(`key --url wss://lamp.example --svg ${svg} --gif ${gif}`)
    expect(code).to.equal(0)
    const url = said.split('\n').find(line => line.startsWith('wss:')) ?? ''
    expect(parseInvitation(url)?.secret).to.deep.equal(ring.shared.psk)
    for (const file of [svg, gif]) expect(statSync(file).mode & 0o777).to.equal(0o600)
    expect(readFileSync(svg, 'utf8')).to.match(/^<svg/)
    expect(readFileSync(gif, 'latin1')).to.match(/^GIF8/)
  })

  for (const [args, why] of [
    ['', 'COMMAND is missing: invite, phones, approve, revoke, key'],
    ['dance', '"dance" is no COMMAND: invite, phones, approve, revoke, key'],
    ['constructor', '"constructor" is no COMMAND'],
    ['revok k1', '"revok" is no COMMAND'],
    ['revoke', 'one id'],
    ['phones k1', 'no id'],
    ['invite --until soon', 'soon is no time'],
    ['invite --until 2027-99-99', 'no day'],
    ['invite --lifetime 0m', 'no time'],
    ['invite --lifetime 25d', '25d is too long: 24d at most'],
    ['invite --nonsense', 'nonsense']
  ] as const)
    it(`says what is wrong with "${args}"`, async () => {
      const { code, said, errors } = await run(args)
      expect(code).to.equal(2)
      expect(said).to.equal('')
      expect(errors).to.include(why).and.include('--help')
    })

  it('says what can not be done, without a secret', async () => {
    expect(await run(`phones --keys ${folder}/none`)).to.include({ code: 1 })
    expect((await run(`phones --keys ${folder}/none`)).errors).to.include('start the device here')
    expect((await run('invite --until 2020-01-01')).errors).to.include('not to come')
    expect((await run('invite --lifetime 24d')).code).to.equal(0)
    expect((await run('key --url ftp://lamp')).errors).to.include('no URL')
    expect((await run('--help')).said).to.include('Exit codes')
  })
})
