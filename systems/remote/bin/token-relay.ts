#!/usr/bin/env node
import { printHowToTryRelay, runRelay } from '../lib/server/relay-command'

runRelay(process.argv.slice(2))
  .then(running => {
    if (running !== undefined) printHowToTryRelay(running)
  })
  .catch((error: Error) => {
    console.error(error.message)
    process.exitCode = 1
  })
