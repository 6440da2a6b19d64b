import { expect, test } from 'vitest'
import { tellTrouble, waitAfter, waitAfterOurFault, waitAfterVanishing } from '../../shared/mailing/trouble.ts'

test('the waits between tries grow, and end at ten minutes, or at fifteen seconds where the fault is ours', () => {
  expect([1, 2, 3, 4, 5, 6, 50].map(waitAfter)).toEqual([5, 15, 45, 135, 405, 600, 600])
  expect([1, 2, 3, 4, 5, 50].map(waitAfterOurFault)).toEqual([0, 0, 0, 5, 15, 15])
  expect([1, 2, 3, 4, 5, 6, 50].map(waitAfterVanishing)).toEqual([0, 0, 0, 5, 15, 45, 600])
})

test.each([
  [new TypeError('Cannot read x'), 'Cannot read x'],
  [new Error(''), 'Error'],
  ['', 'No reason was told.'],
  [undefined, 'undefined'],
  [new Error('First line\n    at secret (/srv/app/x.ts:1)'), 'First line'],
  [new Error('bad \u001b[31mred\u202e and \u0000nul'), 'bad [31mred and nul'],
  [new Error('no mailbox ola.nordmann@example.com'), 'no mailbox o…n@example.com'],
  [new Error('connect postgres://pressebud:hush@db:5432/x failed'), 'connect postgres://db:5432/x failed'],
  [new Error('open /opt/pressebud/dist/templates/release.mjml'), 'open release.mjml'],
  [new Error('see https://example.com/a/b and 5/6 of it'), 'see https://example.com/a/b and 5/6 of it'],
])(
  'of %s an operator is told one line, without a stack, a path, an address, a password or what a terminal obeys',
  (error, told) => {
    expect(tellTrouble(error)).toBe(told)
  },
)

test('a reason of any length is told in a line, and costs no more than its length', () => {
  expect(tellTrouble(new Error('a'.repeat(1e6)))).toHaveLength(301)
  for (const hostile of ['/a'.repeat(5e5), '//'.repeat(5e5), '@'.repeat(1e6)])
    expect(tellTrouble(new Error(hostile)).length).toBeLessThan(302)
})
