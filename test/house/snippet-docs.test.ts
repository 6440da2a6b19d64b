import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { snippetOf } from '../../shared/snippet/snippet.ts'
import { havna } from '../given/havna.ts'
import { root } from './sources.ts'

test('the snippet in the docs is the one the terminal prints', () => {
  const [, told] =
    /```html\n(<pressebud-follow>[\s\S]*?)```/.exec(readFileSync(join(root, 'docs/follow-box.md'), 'utf8')) ?? []
  expect(told).toBe(snippetOf(havna, 'en', 'https://press.example'))
})
