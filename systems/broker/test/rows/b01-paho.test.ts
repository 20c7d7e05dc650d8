import { expect } from 'chai'
import { runPaho } from '../helpers/paho'

/** A copy of eclipse/paho.mqtt.testing. It is read in place, and not part of this repository. */
const FOLDER = process.env.PAHO_TESTING

if (FOLDER === undefined) console.log('B1 is not run: PAHO_TESTING names no folder')
else {
  describe('B1: the interoperability tests of Paho for MQTT 3.1.1', () => {
    it('pass, all ten', async function () {
      this.timeout(180_000)
      const { run, failed, output } = await runPaho(FOLDER)
      expect({ run, failed }, output).to.deep.equal({ run: 10, failed: 0 })
    })
  })
}
