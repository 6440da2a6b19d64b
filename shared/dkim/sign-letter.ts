import { createHash, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { header } from '../letter/header-lines.ts'
import type { PreparedLetter, ReaderSlots } from '../letter/letter.ts'
import type { DkimIdentity, DkimKey } from './dkim-key.ts'
import { planOf, type SigningPlan } from './signing-plan.ts'

/**
 * The DKIM-Signature fields of one reader's letter, one for each key, to stand before its first byte. The signature
 * itself is made on the thread pool; what is done here is the body's hash from the first reader's value on.
 */
export async function signLetter(
  { domain, keys }: DkimIdentity,
  prepared: PreparedLetter,
  reader: ReaderSlots,
  at: Date,
): Promise<Buffer> {
  const plan = planOf(prepared)
  const fields = fieldsFor(plan, reader)
  const span = `t=${Math.floor(at.getTime() / 1000)}; bh=${bodyHash(plan, reader)};`
  const signatures = await Promise.all(
    keys.map(async (key) => {
      const { before, after } = frameOf(plan, domain, key)
      // One blank between words and nowhere else: folded or not, this is the relaxed form already.
      const message = `${fields}dkim-signature:${before.value} ${span} ${after.value} b=`
      const signature = (await signWith(key, Buffer.from(message))).toString('base64')
      return `${before.folded}\r\n ${span}\r\n ${after.folded}\r\n b=${inLines(signature)}\r\n`
    }),
  )
  return Buffer.from(signatures.join(''))
}

/** The tags that stand before and after a letter's own: as they are signed, and folded as they are written. */
type Frame = { readonly before: Part; readonly after: Part }
type Part = { readonly value: string; readonly folded: string }

const frames = new WeakMap<SigningPlan, Map<DkimKey, Frame>>()

function frameOf(plan: SigningPlan, domain: string, key: DkimKey): Frame {
  const known = frames.get(plan) ?? new Map<DkimKey, Frame>()
  frames.set(plan, known)
  const frame = known.get(key) ?? makeFrame(plan, domain, key)
  known.set(key, frame)
  return frame
}

function makeFrame(plan: SigningPlan, domain: string, { algorithm, selector }: DkimKey): Frame {
  const tags = `v=1; a=${algorithm}; c=relaxed/relaxed; d=${domain}; s=${selector};`
  // A long list has blanks where it is folded; verifiers take them out again.
  const names = plan.names.join(':').match(/.{1,60}(?::|$)/g)!
  return {
    before: { value: tags, folded: header('DKIM-Signature', tags).slice(0, -'\r\n'.length) },
    after: { value: `h=${names.join(' ')};`, folded: `h=${names.join('\r\n ')};` },
  }
}

const longestLine = 70

function inLines(signature: string): string {
  let lines = signature.slice(0, longestLine)
  for (let from = longestLine; from < signature.length; from += longestLine)
    lines += `\r\n ${signature.slice(from, from + longestLine)}`
  return lines
}

function fieldsFor({ fields }: SigningPlan, reader: ReaderSlots): string {
  let text = ''
  for (const piece of fields) text += typeof piece === 'string' ? piece : reader[piece.slot]
  return text
}

function bodyHash({ bodyStart, bodyRest }: SigningPlan, reader: ReaderSlots): string {
  const hash = bodyStart.copy()
  for (const part of bodyRest) hash.update(typeof part === 'string' ? reader[part] : part)
  return hash.digest('base64')
}

const onThreadPool = promisify(sign)

// RFC 8463 3: Ed25519 signs the hash, as if it were the message.
const signWith = ({ algorithm, privateKey }: DkimKey, message: Buffer): Promise<Buffer> =>
  algorithm === 'rsa-sha256'
    ? onThreadPool('sha256', message, privateKey)
    : onThreadPool(null, createHash('sha256').update(message).digest(), privateKey)
