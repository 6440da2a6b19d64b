import { header } from '../letter/header-lines.ts'
import type { DkimKey } from './dkim-key.ts'

/** The tags of a signature that are the same for all readers of a letter: those before the time and the body's hash, and those after. */
type Frame = { readonly before: Part; readonly after: Part }

/** Tags as they are signed, and folded as they are written. */
type Part = { readonly value: string; readonly folded: string }

/** @param names the fields signed, in order */
export function makeFrame(names: readonly string[], domain: string, { algorithm, selector }: DkimKey): Frame {
  const tags = `v=1; a=${algorithm}; c=relaxed/relaxed; d=${domain}; s=${selector};`
  // A long list has blanks where it is folded; verifiers take them out again.
  const lines = names.join(':').match(/.{1,60}(?::|$)/g)!
  return {
    before: { value: tags, folded: header('DKIM-Signature', tags).slice(0, -'\r\n'.length) },
    after: { value: `h=${lines.join(' ')};`, folded: `h=${lines.join('\r\n ')};` },
  }
}
