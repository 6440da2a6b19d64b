import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readErrorsLogged } from '../chaos/errors-logged.ts'

test('an error in the logs of our own processes is found; warnings, a start in vain and a line cut short are none', ({
  onTestFinished,
}) => {
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-errors-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const write = (name: string, ...lines: unknown[]) =>
    writeFileSync(
      join(folder, name),
      lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
    )
  write(
    'workers-7.log',
    { level: 40, msg: 'the queue has trouble' },
    { level: 60, msg: 'workers could not start', err: { message: 'away' } },
    { level: 50, msg: 'a letter could not be made', err: { message: 'no such slot' } },
    '{"level":50,"msg":"a request fai',
  )
  write('api-1.log', 'a warning of Node.js itself', { level: 60, msg: 'api stops on a fault' })
  write('postgres.log', { level: 50, msg: 'not ours' })
  expect(readErrorsLogged(folder).toSorted()).toEqual([
    'api-1.log: api stops on a fault ',
    'workers-7.log: a letter could not be made no such slot',
  ])
})
