// node dist/test/programs/paho-interoperability.js FOLDER: client_test.py of a copy of eclipse/paho.mqtt.testing, which is never
// a part of this repository. Fails unless all ten pass.
import { runPaho } from '../helpers/paho'

const folder = process.argv[2]
if (folder === undefined) {
  console.error('Usage: node dist/test/programs/paho-interoperability.js FOLDER')
  process.exitCode = 2
} else {
  void runPaho(folder).then(({ run, failed, output }) => {
    if (failed > 0 || run < 10) console.log(output)
    console.log(`${run - failed} of ${run} passed`)
    if (failed > 0 || run < 10) process.exitCode = 1
  })
}
