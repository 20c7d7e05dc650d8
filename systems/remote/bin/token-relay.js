#!/usr/bin/env node
// Plain JavaScript, so that npm can link the command before anything is built.
const { printHowToTryRelay, runRelay } = require('../dist/lib/server/relay-command')

runRelay(process.argv.slice(2))
  .then(running => {
    if (running !== undefined) printHowToTryRelay(running)
  })
  .catch(error => {
    console.error(error.message)
    process.exitCode = 1
  })
