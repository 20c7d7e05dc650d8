import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteCheck, finalMessage, MessageCheck, rawChunks, ringOf } from '../lib/messages.js'

const SIZE = 64

function checked(messages) {
  const check = new MessageCheck(SIZE)
  for (const message of messages) check.take(message)
  return check
}

test('messages that all come are counted, also around the ring', () => {
  const ring = ringOf(SIZE)
  const messages = [...ring, ...ring]
  const check = checked([...messages, finalMessage(SIZE, messages.length)])
  assert.equal(check.count, messages.length)
  assert.ok(check.isFinished)
})

test('a lost, a repeated, a short and a late message are each seen', () => {
  const [first, second] = ringOf(SIZE)
  assert.throws(() => checked([second]), /tag 1 instead of 0/)
  assert.throws(() => checked([first, first]), /tag 0 instead of 1/)
  assert.throws(() => checked([first.subarray(1)]), /63 bytes/)
  assert.throws(() => checked([first, finalMessage(SIZE, 2)]), /1 messages came of 2/)
  assert.throws(() => checked([finalMessage(SIZE, 0), first]), /after the last/)
})

test('other bytes are seen when a message is compared: the first, and a sample of all others', () => {
  const size = 1024 * 1024
  const ring = ringOf(size)
  const changed = ring.map(message => Buffer.from(message))
  for (const message of changed) message[size - 1] ^= 1
  assert.throws(() => new MessageCheck(size).take(changed[0]), /message 0 has other bytes/)
  const check = new MessageCheck(size)
  check.take(ring[0])
  assert.throws(() => {
    for (let count = 1; count < 32; count++) check.take(changed[count % ring.length])
  }, /other bytes/)
})

test('a stream of bytes is checked however it is cut', () => {
  const all = Buffer.concat(rawChunks())
  const check = new ByteCheck()
  for (let offset = 0; offset < all.length; offset += 1000) check.take(all.subarray(offset, offset + 1000))
  assert.equal(check.bytes, all.length)
  assert.throws(() => check.take(all.subarray(7, 999)), /not those/)
})
