import { expect } from 'chai'
import { shortCode } from '../../lib/sealing/short-code'
import { SHORT_CODE_WORDS } from '../../lib/sealing/short-code-words'
import { sealedPair } from '../helpers/sealed-pair'

describe('The short code', () => {
  it('is four words, the same at both ends, others in another session', async () => {
    const [one, two] = [await sealedPair(), await sealedPair()]
    const code = await shortCode(one.client)
    expect(code).to.match(/^[a-z]+( [a-z]+){3}$/)
    expect(await shortCode(one.device)).to.equal(code)
    expect(await shortCode(two.client)).not.to.equal(code)
    expect(await shortCode(one.client, 'es')).to.equal(await shortCode(one.device, 'es'))
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
