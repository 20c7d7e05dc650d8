import { expect } from 'chai'
import { visibleText } from '../../lib/status/visible-text'

describe('visibleText', () => {
  it('leaves what can be seen as it is', () => {
    for (const text of ['', 'phone 7', '"><script>alert(1)</script>', 'Zoë/δ/日本/🙂', "a'b\\c&amp;"]) {
      expect(visibleText(text)).to.equal(text)
    }
  })

  it('shows what is invisible, or turns what stands beside it, by its number', () => {
    expect(visibleText('a\nb\tc\0')).to.equal('a\\u{a}b\\u{9}c\\u{0}')
    expect(visibleText('forged\u202egpj.exe')).to.equal('forged\\u{202e}gpj.exe')
    expect(visibleText('a\u200bb\ufeff\u2066\u061c')).to.equal('a\\u{200b}b\\u{feff}\\u{2066}\\u{61c}')
    expect(visibleText('\u2028\u00a0\u3000\u3164\ud800\ue000\u{e0041}')).to.equal(
      '\\u{2028}\\u{a0}\\u{3000}\\u{3164}\\u{d800}\\u{e000}\\u{e0041}'
    )
  })

  it('shows the beginning and the end of what is long, however much each character takes', () => {
    const shown = visibleText(`begin ${'x'.repeat(65_536)} end`)
    expect(shown)
      .to.match(/^begin x+…x+ end$/)
      .and.have.lengthOf(80)
    expect(visibleText('\u202e'.repeat(65_536))).to.have.lengthOf(80)
  })
})
