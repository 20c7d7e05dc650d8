import { createInterface } from 'node:readline/promises'
import type { Approve } from '../device/pairing'

/** Asks whoever sits at the terminal, one question after another. Anything but `y` or `yes` is a no. */
export function askOnTerminal(
  input: NodeJS.ReadableStream = process.stdin,
  output: NodeJS.WritableStream = process.stdout
): Approve {
  let last: Promise<unknown> = Promise.resolve()
  return ({ name, words }, signal) => {
    const question = last.then(async () => {
      const lines = createInterface({ input, output })
      try {
        const text = `${name} wants in. Its screen must show: ${words}\nDoes it? [y/N] `
        return /^y(es)?$/i.test((await lines.question(text, { signal })).trim())
      } catch (error) {
        if (!signal.aborted) throw error
        output.write('\n(answered elsewhere)\n')
        return false
      } finally {
        lines.close()
      }
    })
    last = question.catch(() => undefined)
    return question
  }
}
