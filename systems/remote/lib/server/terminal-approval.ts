import { createInterface } from 'node:readline/promises'
import type { Approve } from '../device/pairing'
import { RemoteError } from '../errors/remote-error'

/**
 * Asks whoever sits at the terminal, one question after another. Anything but `y` or `yes` is a no. Where nobody can type any more the
 * question fails, and the phone waits on.
 */
export function askOnTerminal(
  input: NodeJS.ReadableStream = process.stdin,
  output: NodeJS.WritableStream = process.stdout
): Approve {
  let last: Promise<unknown> = Promise.resolve()
  return ({ id, name, words }, signal) => {
    const question = last.then(async () => {
      const lines = createInterface({ input, output })
      try {
        const text = `${name} wants in. Its screen must show: ${words}\nDoes it? [y/N] `
        const answer = await new Promise<string>((resolve, reject) => {
          const fail = () => reject(nobodyThere(id))
          lines.once('close', fail)
          lines.question(text, { signal }).then(resolve, reject)
          if (!input.readable) fail()
        })
        return /^y(es)?$/i.test(answer.trim())
      } catch (error) {
        output.write(signal.aborted ? '\n(answered elsewhere)\n' : '\n')
        if (!signal.aborted) throw error
        return false
      } finally {
        lines.close()
      }
    })
    last = question.catch(() => undefined)
    return question
  }
}

function nobodyThere(id: string): RemoteError {
  const why = `the terminal is closed: "token-remote approve ${id}" lets it in, "revoke" turns it away`
  return new RemoteError('invalid', `Cannot ask about the phone: because ${why}`)
}
