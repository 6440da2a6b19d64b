import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { settingTable } from '../../shared/config/settings.ts'
import { deliveryStates } from '../../shared/delivery/delivery.ts'
import { mailingStates } from '../../shared/mailing/mailing.ts'
import { refusals } from '../../shared/refusal/refusal.ts'
import { subscriptionStates } from '../../shared/subscription/subscription.ts'
import { suppressionReasons } from '../../shared/suppression/suppression.ts'
import { tellCurve } from '../../workers/mailer/retry-curve.ts'
import { readSources, root } from './sources.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')

/** The rows of the tables under a heading: their cells, without the marks of code. */
function rowsUnder(text: string, heading: string): string[][] {
  const section = text.split(/^## /m).find((part) => part.startsWith(heading))
  expect(section, `a section “${heading}”`).toBeDefined()
  return section!
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[\s:|-]+\|$/.test(line))
    .slice(1)
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll('`', '').replaceAll('\\|', '|')),
    )
}

describe('the docs agree with the code on', () => {
  test('settings: name, kind, default and reason', () => {
    const told = rowsUnder(read('docs/settings.md'), 'Every setting')
    const known = Object.entries(settingTable).map(([name, row]) => [
      name,
      row.kind,
      'required' in row ? 'required' : (row.default ?? '') === '' ? '—' : row.default,
      row.reason.replaceAll('`', ''),
    ])
    expect(told).toEqual(known)
  })

  test('refusals: code, status and sentence', () => {
    const told = rowsUnder(read('docs/refusals.md'), 'Every refusal')
    expect(told).toEqual(
      Object.entries(refusals).map(([code, [status, sentence]]) => [
        code.toLowerCase().replaceAll('_', '-'),
        String(status),
        sentence,
      ]),
    )
  })

  test('refusals: each is given somewhere, none is kept for show', () => {
    const code = [...readSources('services'), ...readSources('shared')].map(({ text }) => text).join('\n')
    expect(Object.keys(refusals).filter((name) => !code.includes(`'${name}'`))).toEqual([])
  })

  test('states: of mailings, deliveries, subscriptions and suppressions', () => {
    const states = read('docs/states.md')
    expect(rowsUnder(states, 'A mailing')).toEqual(Object.entries(mailingStates))
    expect(rowsUnder(states, 'A delivery')).toEqual(Object.entries(deliveryStates))
    expect(rowsUnder(states, 'A subscription').map(([state]) => state)).toEqual([...subscriptionStates])
    expect(rowsUnder(states, 'A suppression')).toEqual(Object.entries(suppressionReasons))
  })

  test('the retry curve', () => {
    const told = rowsUnder(read('docs/states.md'), 'The retry curve')
    expect(told).toEqual(
      tellCurve({ firstWait: 300, window: 172_800 }).map(({ attempt, wait, since }) => [
        String(attempt),
        tellTime(wait),
        tellTime(since),
      ]),
    )
  })

  test('warnings: each that is logged has a row that says what it means', () => {
    const told = rowsUnder(read('docs/operating.md'), 'What each warning means').map(([line]) => line)
    const rooms = ['services/api', 'services/ops', 'services/standalone/inbox', 'workers', 'shared']
    const logged = readSources(...rooms).flatMap(({ text }) =>
      [...text.matchAll(/log\.(?:warn|error)\((.*?)\)[\n;,]/gs)].flatMap(([, given]) =>
        // Words with blanks between them: the sentence, and nothing of what is told beside it.
        [...given!.matchAll(/'(\w[^'\n]* [^'\n]*\w)'/g)].map(([, sentence]) => sentence!),
      ),
    )
    expect(logged.length).toBeGreaterThan(30)
    expect(logged.filter((sentence) => !told.some((line) => line!.includes(sentence)))).toEqual([])
  })

  test('the flags that workers are started with', () => {
    const flagsIn = (path: string) =>
      [...read(path).matchAll(/--max-semi-space-size=4[^\]]*?(?=,?\s*'?\]|,?\s*dist\/workers)/g)].map(([flags]) =>
        flags.replace(/[',\s]+/g, ' ').trim(),
      )
    const [told, ...others] = [
      'docs/operating.md',
      'README.md',
      'docker-compose.yml',
      'test/rig/installation.ts',
    ].flatMap(flagsIn)
    expect(told).toMatch(/^--max-semi-space-size=4 .*--single-threaded-gc$/)
    expect(others).toEqual([told, told, told, told])
  })

  test('the settings of an example environment', () => {
    const named = [...read('.env.example').matchAll(/^#?\s?([A-Z][A-Z0-9_]*)=/gm)].map(([, name]) => name!)
    expect(named.toSorted()).toEqual(Object.keys(settingTable).toSorted())
  })
})

const tellTime = (seconds: number) => {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.round((seconds % 3600) / 60)]
  return [hours > 0 ? `${hours} h` : '', minutes > 0 ? `${minutes} min` : ''].filter(Boolean).join(' ')
}
