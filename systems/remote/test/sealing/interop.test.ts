import { expect } from 'chai'
import { CipherSuite } from 'hpke'
import { builds } from '../helpers/builds'
import { EXPECTED, interop } from '../helpers/interop'

describe('A peer on another library of HPKE, written from the docs,', () => {
  for (const [name, { kem, kdf, aead }] of Object.entries(builds))
    it(`is understood as client and as device by ${name}`, async () => {
      expect(await interop(new CipherSuite(kem, kdf, aead))).to.deep.equal(EXPECTED)
    })
})
