import { Command } from 'commander'
import { wholeNumber } from '../rig/whole-number.ts'
import { largestLetter, smallestLetter } from './release-of-size.ts'

export type BenchOptions = {
  readonly recipients: number
  readonly size: number
  readonly workers?: number
  readonly sinks: number
  readonly doors?: true
  readonly pages?: true
  readonly small?: true
  readonly slow?: true
  readonly signed?: true
  readonly json?: true
}

/** What the command line asks for. What cannot be measured is refused with a sentence, before anything is started. */
export function readOptions(): BenchOptions {
  const program = new Command('bench')
    .description('measure a mailing from the webhook to the last acceptance, beside smtp-source and nodemailer')
    .option('--recipients <n>', 'readers', wholeNumber(1), 10_000)
    .option('--size <bytes>', 'bytes of a letter, about', wholeNumber(1), 30_000)
    .option('--workers <k>', 'workers processes; with two sinks they take turns', wholeNumber(1))
    .option('--sinks <n>', 'mail hosts, 1 or 2', wholeNumber(1, 2), 1)
    .option('--doors', 'knock at the doors meanwhile: sign-ups, one-click opt-outs, releases')
    .option('--pages', 'meanwhile read pages and feeds, 200 a second')
    .option('--small', 'meanwhile publish to the 200 readers of another newsroom')
    .option('--slow', 'then mailings into a host of its own, for which one of fifty domains is slow every second time')
    .option('--signed', 'with DKIM signatures, beside what OpenSSL can sign')
    .option('--json', 'one line of JSON')
    .parse()
  const options = program.opts<BenchOptions>()
  if (options.slow && options.recipients < 50)
    program.error('--slow needs --recipients of 50 or more, one for each of the fifty domains.')
  const size = Math.min(largestLetter, Math.max(smallestLetter, options.size))
  if (size !== options.size)
    process.stderr.write(`A letter weighs ${smallestLetter} to ${largestLetter} bytes here; measured with ${size}.\n`)
  return { ...options, size }
}
