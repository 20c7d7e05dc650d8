import { expect } from 'chai'
import { shortCode } from '../../lib/sealing/short-code'
import { SHORT_CODE_WORDS } from '../../lib/sealing/short-code-words'

describe('The short code', () => {
  it('is a word for each byte, another one in another language', () => {
    const bytes = Uint8Array.of(0, 255, 0, 7)
    const { en, es } = SHORT_CODE_WORDS
    expect(shortCode(bytes, 'en')).to.equal(`${en[0]} ${en[255]} ${en[0]} ${en[7]}`)
    expect(shortCode(bytes, 'es')).to.equal(`${es[0]} ${es[255]} ${es[0]} ${es[7]}`)
  })

  for (const [language, words] of Object.entries(SHORT_CODE_WORDS))
    it(`has 256 words in ${language}, of which no two differ by one letter`, () => {
      expect(new Set(words).size).to.equal(256)
      expect(words.length).to.equal(256)
      const holes = words.flatMap(word => {
        const at = Array.from(word, (_, index) => `${word.slice(0, index)}?${word.slice(index + 1)}`)
        return [...new Set(at)]
      })
      expect(holes.length).to.equal(new Set(holes).size)
    })
})
