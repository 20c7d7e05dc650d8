#!/usr/bin/env node
import { printHowToTry, run } from '../lib/server/command-line'

run(process.argv.slice(2))
  .then(running => {
    if (running !== undefined) return printHowToTry(running)
    return undefined
  })
  .catch((error: Error) => {
    console.error(error.message)
    process.exitCode = 1
  })
