import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closesWhatItOpened, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client } from '../../lib/doors/node-client'
import { Server } from '../../lib/server/server'
import { refusalOf } from '../helpers/pairing-scene'

const COMMAND = join(__dirname, '../../../bin/token-remote.js')

/** A device whose owner runs the command beside it, as at a terminal. */
async function startDevice() {
  const folder = join(mkdtempSync(join(tmpdir(), 'owner-process-')), 'remote-keys')
  onCleanUp(() => rmSync(join(folder, '..'), { recursive: true }))
  const device = new Server({ keys: { folder } })
  onCleanUp(() => device.close({ timeout: 100 }))
  const { port } = await device.host(({ event }) => `${event} is done`, undefined, { port: 0 })
  await device.keys.setAddress(`ws://127.0.0.1:${port}`)
  const phone = () => {
    const client = new Client()
    onCleanUp(() => client.close())
    return client
  }
  return { folder, phone }
}

/** `token-remote`, whose output is read as it comes. */
function run(folder: string, ...args: string[]) {
  const command = spawn(process.execPath, [COMMAND, ...args, '--keys', folder], { stdio: 'pipe' })
  onCleanUp(() => command.kill())
  let said = ''
  command.stdout.setEncoding('utf8').on('data', text => {
    said += text
  })
  command.stderr.setEncoding('utf8').on('data', text => {
    said += text
  })
  const ended = new Promise<number | null>(resolve => command.once('close', resolve))
  /** @returns what has been said, once it matches */
  const says = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(said)
      if (match !== null) return match
      if (command.exitCode !== null) throw new Error(`it ended without ${pattern}: ${said}`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
  return { type: (line: string) => command.stdin.write(`${line}\n`), says, ended, said: () => said }
}

describe('token-remote in a process of its own', function () {
  this.timeout(60_000)
  closesWhatItOpened()

  it('asks about a phone that claims, finishes and connects at once, and lets it in or turns it away', async () => {
    const { folder, phone } = await startDevice()
    for (const answer of ['y', 'n']) {
      const command = run(folder, 'invite', '--wait', '--name', 'Ann')
      const [url] = await command.says(/ws:\S+m=paired/)
      await command.says(/Waiting for the phone/)
      const ann = phone()
      let words = 'none'
      const pairing = ann.pair(url, 'Ann’s phone', {
        onWords: said => {
          words = said
        }
      })
      // A failure is looked at below.
      pairing.catch(() => undefined)
      const [, shown] = await command.says(/Ann wants in\. Its screen must show: (.*)\n/)
      expect(shown).to.equal(words)
      command.type(answer)
      expect(await command.ended, command.said()).to.equal(0)
      if (answer === 'y') {
        await pairing
        expect(await ann.send('on')).to.equal('on is done')
        expect(command.said()).to.include('Ann is in.')
      } else {
        expect(await refusalOf(pairing)).to.equal('refused not-approved')
        expect(command.said()).to.include('Ann was turned away.')
      }
    }
  })

  it('tells of a phone that came with an unattended invitation', async () => {
    const { folder, phone } = await startDevice()
    const command = run(folder, 'invite', '--wait', '--unattended')
    const [url] = await command.says(/ws:\S+m=paired/)
    await command.says(/Waiting for the phone/)
    const { id } = await phone().pair(url, 'Bob')
    expect(await command.ended, command.said()).to.equal(0)
    expect(command.said()).to.include(`Bob is in. Its id: ${id}`)
  })
})
