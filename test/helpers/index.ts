// What tests of other packages of this repository may use, by the name @token-server/test-helpers.
export { type Certificates, certificates } from './certificates'
export { usesFakeClock } from './fake-clock'
export { isLong, numbersFrom } from './figures'
export { folderMap, testFolderMap } from './folder-map'
export {
  clientOptions,
  closesWhatItOpened,
  connectPair,
  freePort,
  makeClient,
  makeServer,
  onCleanUp,
  plainServer,
  portOf,
  serverOptions,
  startServer,
  until
} from './loopback'
export { awake, block, bytesOf, escapedDuring, settled, uncaughtDuring } from './moments'
export { needFiles, needProgram } from './need'
export { type Ended, Program, ROOT, remove, runNode, temporaryFolder } from './program'
export { RedisServer } from './redis-server'
export { TcpProxy } from './tcp-proxy'
