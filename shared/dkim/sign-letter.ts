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
  const span = { t: Math.floor(at.getTime() / 1000), bh: bodyHash(plan, reader), h: namesInWords(plan) }
  const signatures = await Promise.all(
    keys.map(async (key) => {
      // One blank between words and nowhere else: folded or not, this is the relaxed form already.
      const value = `v=1; a=${key.algorithm}; c=relaxed/relaxed; d=${domain}; s=${key.selector}; t=${span.t}; bh=${span.bh}; h=${span.h}; b=`
      const signature = await signWith(key, Buffer.from(`${fields}dkim-signature:${value}`))
      return header('DKIM-Signature', value + inWords(signature.toString('base64'), /.{1,70}/g))
    }),
  )
  return Buffer.from(signatures.join(''))
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

const listed = new WeakMap<SigningPlan, string>()

function namesInWords(plan: SigningPlan): string {
  const known = listed.get(plan) ?? inWords(plan.names.join(':'), /.{1,60}(?::|$)/g)
  listed.set(plan, known)
  return known
}

/** Blanks where a long value may be folded; verifiers take them out again. */
const inWords = (text: string, word: RegExp) => text.match(word)!.join(' ')
