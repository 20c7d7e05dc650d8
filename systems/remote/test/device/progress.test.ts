import { expect } from 'chai'
import type { RemoteError } from '../../lib/errors/remote-error'
import { failureOf, makeScene, type Scene } from '../helpers/device-and-client'

const MIB = 1_048_576

describe('What a handler gives', () => {
  let scene: Scene
  afterEach(() => scene.close())

  async function start(handler: (progress: (value: unknown) => void) => unknown) {
    const logged: string[] = []
    scene = await makeScene({
      handler: (_, { progress }) => handler(progress),
      onHandlerError: (error, event) => logged.push(`${event}: ${(error as RemoteError).reason}`)
    })
    return logged
  }

  it('as progress arrives up to the length of an answer', async () => {
    const texts = ['short', 'a'.repeat(MIB - 2), 'é'.repeat(MIB / 2 - 1)]
    const logged = await start(progress => texts.forEach(progress))
    const heard: unknown[] = []
    await scene.client.send('work', null, { onProgress: value => heard.push(value) })
    expect(heard.map(text => (text as string).length)).to.deep.equal(texts.map(({ length }) => length))
    expect(logged).to.deep.equal([])
  })

  it('as progress that can not be sent is told to the log of the device, and the handler goes on', async () => {
    const deep = JSON.parse(`${'['.repeat(70)}${']'.repeat(70)}`)
    const unfit = ['a'.repeat(MIB), deep, 1n, () => 1, Symbol('a')]
    const logged = await start(progress => {
      for (const value of [...unfit, undefined, 7]) progress(value)
      return 'done'
    })
    const heard: unknown[] = []
    const answer = await scene.client.send('work', null, { onProgress: value => heard.push(value) })
    expect(answer).to.equal('done')
    expect(heard).to.deep.equal([null, 7])
    expect(logged).to.deep.equal([
      'work: answer-too-large',
      'work: answer-too-deep',
      'work: answer-not-json',
      'work: answer-not-json',
      'work: answer-not-json'
    ])
  })

  it('as an answer that is a function or a symbol is no JSON', async () => {
    for (const value of [() => 1, Symbol('a')]) {
      const logged = await start(() => value)
      expect(await failureOf(scene.client.send('work'))).to.include({
        code: 'handler-failed',
        reason: 'answer-not-json',
        ran: 'yes'
      })
      expect(logged).to.deep.equal(['work: answer-not-json'])
      await scene.close()
    }
  })
})
