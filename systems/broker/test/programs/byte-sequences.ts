// node dist/test/programs/byte-sequences.js FOLDER: the byte sequences of mosquitto (test/broker/data in its repository) for MQTT 3.1 and
// 3.1.1, each on a connection of its own. Prints those that differ, and fails when fewer than 256 of 267 do as they should.
import { runByteSequences } from '../helpers/byte-sequences'

const folder = process.argv[2]
if (folder === undefined) {
  console.error('Usage: node dist/test/programs/byte-sequences.js FOLDER')
  process.exitCode = 2
} else {
  void runByteSequences(folder).then(({ passed, differences }) => {
    for (const difference of differences) console.log(`differs: ${difference}`)
    console.log(`${passed} of ${passed + differences.length} as they should be`)
    if (passed < 256) process.exitCode = 1
  })
}
