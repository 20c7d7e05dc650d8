#!/usr/bin/env node
// Plain JavaScript, so that npm can link the command before anything is built.
const { printHowToTry, run } = require('../dist/lib/server/command-line')

run(process.argv.slice(2))
  .then(running => {
    if (running !== undefined) return printHowToTry(running)
    return undefined
  })
  .catch(error => {
    console.error(error.message)
    process.exitCode = 1
  })
