import { expect } from 'chai'
import { runByteSequences } from '../helpers/byte-sequences'

/** A folder of mosquitto's byte sequences. They are read in place, and not part of this repository. */
const FOLDER = process.env.MQTT_SEQUENCES

if (FOLDER === undefined) console.log('B2 is not run: MQTT_SEQUENCES names no folder')
else {
  describe("B2: mosquitto's byte sequences", () => {
    it('do as they should, at least 256 of 267, and the broker is alive at the end', async function () {
      this.timeout(60_000)
      const { passed, differences } = await runByteSequences(FOLDER)
      expect(passed + differences.length).to.equal(267)
      expect(passed, differences.join('\n')).to.be.at.least(256)
    })
  })
}
