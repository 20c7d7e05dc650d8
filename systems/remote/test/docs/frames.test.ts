import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { FrameKind } from '../../lib/wire/frame'
import type { Transcript } from '../helpers/transcript'

const PACKAGE = join(__dirname, '../../..')
const read = (file: string) => readFileSync(join(PACKAGE, file), 'utf8')

describe('docs/frames.md', () => {
  const page = read('docs/frames.md')

  it('has every kind of frame, with its number', () => {
    const rows = [...page.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(([, number, name]) => [
      name,
      Number(number)
    ])
    expect(Object.fromEntries(rows)).to.deep.equal({ ...FrameKind })
  })

  it('has every message, and every control message', () => {
    const messages = [...read('lib/wire/message.ts').matchAll(/\| readonly \['(\w+)'/g)].map(
      ([, name]) => name
    )
    expect(messages).to.include.members(['req', 'res'])
    for (const name of messages) expect(page).to.include(`["${name}"`)
    const controls = [...read('lib/wire/control.ts').matchAll(/readonly do: '(\w+)'/g)].map(
      ([, name]) => name
    )
    expect(controls).to.include.members(['join', 'bye'])
    for (const name of controls) expect(page).to.match(new RegExp(`^\\|.*\`${name}\`.*\\|`, 'm'))
  })

  it('shows bytes that are those of the test vectors', () => {
    const [{ output }] = JSON.parse(read('test/sealing/vectors/frames.json')) as [{ output: Transcript }]
    const shown = [...page.matchAll(/```hex\n([\s\S]*?)```/g)].map(([, text]) => text?.replace(/\s/g, ''))
    const { hello, start, accept, forth, onceRequest, onceAnswer } = output
    expect(shown).to.deep.equal([hello, start, accept, forth[0], onceRequest, onceAnswer])
  })
})

describe('docs/sealing.md', () => {
  it('names files that there are', () => {
    const links = [...read('docs/sealing.md').matchAll(/\]\(([^)#]+)/g)].map(([, link]) => link as string)
    const files = links.filter(link => !link.startsWith('https:'))
    expect(files.length).to.be.above(3)
    for (const file of files) read(join('docs', file))
  })
})
