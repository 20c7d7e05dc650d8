import { Aedes } from 'aedes'
import { listen } from './listen'
import { servePeer } from './peer-process'
import { AEDES } from './versions'

servePeer(async ({ tls }) => {
  const broker = await Aedes.createBroker()
  return { version: AEDES, port: await listen(tls, socket => void broker.handle(socket)) }
})
