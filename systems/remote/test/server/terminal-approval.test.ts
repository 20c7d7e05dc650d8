import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import type { Phone } from '../../lib/keys/phone'
import { askOnTerminal } from '../../lib/server/terminal-approval'

function phone(name: string): Phone {
  return { id: name, name, pairedAt: 0, state: 'waiting', words: `words of ${name}` }
}

describe('A question on the terminal', () => {
  function terminal() {
    const [input, output] = [new PassThrough(), new PassThrough()]
    return { input, said: () => `${output.read() ?? ''}`, ask: askOnTerminal(input, output) }
  }

  it('shows who wants in and the words, and takes y and yes for a yes, and all else for a no', async () => {
    for (const [typed, answer] of [
      ['y', true],
      ['YES ', true],
      ['', false],
      ['n', false],
      ['yellow', false]
    ] as const) {
      const { input, said, ask } = terminal()
      const asked = ask(phone('Ann'), new AbortController().signal)
      await new Promise(setImmediate)
      input.write(`${typed}\n`)
      expect(await asked, typed).to.equal(answer)
      expect(said()).to.include('Ann wants in. Its screen must show: words of Ann')
    }
  })

  it('fails when nobody can type any more, and says how the phone is let in then', async () => {
    const { input, ask } = terminal()
    const failures = ['Ann', 'Bob'].map(name =>
      Promise.resolve(ask(phone(name), new AbortController().signal)).catch(String)
    )
    await new Promise(setImmediate)
    input.end()
    expect(await Promise.all(failures)).to.deep.equal(
      ['Ann', 'Bob'].map(
        id =>
          `RemoteError: Cannot ask about the phone: because the terminal is closed: "token-remote approve ${id}" lets it in, "revoke" turns it away`
      )
    )
  })

  it('comes after the one before it', async () => {
    const { input, said, ask } = terminal()
    const { signal } = new AbortController()
    const answers = Promise.all([ask(phone('Ann'), signal), ask(phone('Bob'), signal)])
    await new Promise(setImmediate)
    expect(said()).to.include('Ann').and.not.include('Bob')
    input.write('y\n')
    for (let text = ''; !text.includes('Bob wants in'); text += said()) await new Promise(setImmediate)
    input.write('n\n')
    expect(await answers).to.deep.equal([true, false])
  })

  it('is taken back when somebody else has answered', async () => {
    const { said, ask } = terminal()
    const answered = new AbortController()
    const asked = ask(phone('Ann'), answered.signal)
    await new Promise(setImmediate)
    answered.abort()
    expect(await asked).to.equal(false)
    expect(said()).to.include('answered elsewhere')
  })
})
