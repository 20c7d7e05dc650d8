import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  CLOSE_CODES,
  type CloseCodeMeaning,
  closeCodeName,
  closeCodeNumber,
  type WireCloseCode
} from '../../lib/errors/close-codes'

const page = readFileSync(join(__dirname, '../../../docs/wire-format.md'), 'utf8')

/** The cells of the table under `header` in section 13. */
function table(header: string): string[][] {
  const section = page.slice(page.indexOf('\n## 13. '), page.indexOf('\n## 14. '))
  const lines = section.slice(section.indexOf(header)).split('\n\n', 1)[0]?.split('\n').slice(2) ?? []
  return lines.map(line =>
    line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim().replaceAll('`', ''))
  )
}

const classes = table('| class | retry |')
const codes = table('| number | name |')
const retries = {
  'not needed': 'no',
  'yes, with back-off': 'backoff',
  'seldom, until something was changed': 'seldom'
}
const names = Object.keys(CLOSE_CODES) as WireCloseCode[]
const known: ReadonlySet<string> = new Set(names)
const meaning = (name: WireCloseCode): CloseCodeMeaning => CLOSE_CODES[name]

describe('close codes and section 13 of docs/wire-format.md', () => {
  it('the page has its two tables where this test looks for them', () => {
    expect(classes).to.have.length(6)
    expect(codes).to.have.length(23)
  })

  it('have the same codes, numbers and frames, in the same order', () => {
    const ours = names.map(name => [
      meaning(name).number.toString(16).padStart(4, '0'),
      name,
      meaning(name)
        .in.map(frame => frame.toUpperCase())
        .join(', ') || 'never sent'
    ])
    expect(ours).to.deep.equal(codes.map(cells => cells.slice(0, 3)))
  })

  it('give every code the retry and the session of its class', () => {
    for (const name of names) {
      const { number, retry, keepsSession } = meaning(name)
      const row = classes.find(cells => Number.parseInt(cells[0] as string, 16) === number >>> 8) ?? []
      expect(retry, name).to.equal(retries[row[1] as keyof typeof retries])
      expect(keepsSession ? 'lives on' : 'ends', name).to.equal(row[2])
    }
  })

  for (const [first, retry, session, fallback] of classes) {
    it(`count an unknown code of class ${first} as ${fallback}, with the same meaning`, () => {
      const others = Array.from({ length: 256 - 5 }, (_, at) => at + 5)
      for (const high of first === 'others' ? others : [Number.parseInt(first as string, 16)]) {
        const name = closeCodeName(high * 256 + 0xfe)
        expect(name).to.equal(fallback)
        expect(meaning(name).retry).to.equal(retries[retry as keyof typeof retries])
        expect(meaning(name).keepsSession ? 'lives on' : 'ends').to.equal(session)
      }
    })
  }
})

describe('closeCodeName', () => {
  it('finds the name of every number that closeCodeNumber gives and that may be sent', () => {
    for (const name of names) {
      for (const frame of meaning(name).in) expect(closeCodeName(closeCodeNumber(name), frame)).to.equal(name)
    }
  })

  it('treats a code in GOAWAY that the table allows only in CLOSE by its class', () => {
    expect(closeCodeName(closeCodeNumber('idle-timeout'))).to.equal('idle-timeout')
    expect(closeCodeName(closeCodeNumber('idle-timeout'), 'goaway')).to.equal('lost')
    expect(closeCodeName(closeCodeNumber('slow-consumer'), 'goaway')).to.equal('internal-error')
    expect(closeCodeName(closeCodeNumber('too-large'), 'goaway')).to.equal('refused')
    expect(closeCodeName(closeCodeNumber('normal'), 'goaway')).to.equal('normal')
  })

  it('says lost of 0100, for the codec to refuse', () => {
    expect(closeCodeName(0x0100)).to.equal('lost')
    expect(closeCodeName(0x0100, 'goaway')).to.equal('lost')
  })

  it('has a name for each of the 65,536 numbers', () => {
    const nameless: number[] = []
    for (let number = 0; number <= 0xffff; number++)
      if (!known.has(closeCodeName(number))) nameless.push(number)
    expect(nameless).to.deep.equal([])
  })
})
