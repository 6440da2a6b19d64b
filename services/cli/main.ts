#!/usr/bin/env node
import { type ExitCode, mistakeOf } from './mistake.ts'
import { runCommand } from './program.ts'
import { findSurroundings } from './surroundings.ts'
import { paintOf, type Terminal } from './terminal.ts'

process.exitCode = await main()

async function main(): Promise<ExitCode> {
  const terminal = openTerminal()
  try {
    const surroundings = findSurroundings(process.env)
    try {
      return await runCommand({ terminal, surroundings, now: () => new Date() }, process.argv.slice(2))
    } finally {
      await surroundings.close()
    }
  } catch (error) {
    const mistake = mistakeOf(error)!
    terminal.err(`✗ ${[mistake.message, ...mistake.hints].join('\n  ')}\n`)
    return mistake.exitCode
  }
}

function openTerminal(): Terminal {
  // A reader that closes early (`| head`) has what it wanted; that is no fault of the command.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit()
    throw error
  })
  const coloured = process.env.FORCE_COLOR
    ? process.env.FORCE_COLOR !== '0'
    : process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    input: process.stdin,
    columns: process.stdout.columns ?? process.stderr.columns ?? 100,
    watched: process.stderr.isTTY === true && process.env.TERM !== 'dumb',
    paint: paintOf(coloured),
  }
}
