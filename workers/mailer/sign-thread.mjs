// A thread that signs letters. Plain JavaScript, because tests start it from the sources and Node.js 20 runs no TypeScript.
import { createHash, sign } from 'node:crypto'
import { constants, getPriority, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'

// It gives way to the thread that gives it its work, which would else wait for a core with all that hangs on it, such as the next
// letter. On Linux alone is a priority a thread's own.
if (process.platform === 'linux')
  try {
    setPriority(Math.min(getPriority() + 5, constants.priority.PRIORITY_LOW))
  } catch {
    // It may not be lowered here: letters are signed all the same.
  }

const { keys } = workerData
const plans = new Map()
// What cannot be read leaves a batch without an answer: this thread ends, and with it those it had in hand.
parentPort.on('messageerror', (error) => {
  throw error
})

parentPort.on('message', ({ batch, make, forget, letters, time }) => {
  for (const [id, plan] of make) plans.set(id, { ...plan, bodyStart: createHash('sha256').update(plan.bodyStart) })
  for (const id of forget) plans.delete(id)
  parentPort.postMessage({ batch, ...answerTo(letters, time) })
})

function answerTo(letters, time) {
  try {
    const started = performance.now()
    const signed = letters.map(([id, reader]) => signLetter(plans.get(id), reader, time))
    return { signed, ms: performance.now() - started }
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) }
  }
}

/** The DKIM-Signature fields of one reader's letter, one for each key, to stand before its first byte. */
function signLetter({ fields, bodyStart, bodyRest, frames }, reader, time) {
  let signed = ''
  for (const piece of fields) signed += typeof piece === 'string' ? piece : reader[piece.slot]
  const span = `t=${time}; bh=${bodyHash(bodyStart, bodyRest, reader)};`
  let written = ''
  for (let n = 0; n < keys.length; n += 1) {
    const { before, after } = frames[n]
    // One blank between words and nowhere else: folded or not, this is the relaxed form already.
    const message = `${signed}dkim-signature:${before.value} ${span} ${after.value} b=`
    const signature = signWith(keys[n], Buffer.from(message)).toString('base64')
    written += `${before.folded}\r\n ${span}\r\n ${after.folded}\r\n b=${inLines(signature)}\r\n`
  }
  return written
}

function bodyHash(bodyStart, bodyRest, reader) {
  const hash = bodyStart.copy()
  for (const part of bodyRest) hash.update(typeof part === 'string' ? reader[part] : part)
  return hash.digest('base64')
}

// RFC 8463 3: Ed25519 signs the hash, as if it were the message.
const signWith = ({ algorithm, privateKey }, message) =>
  algorithm === 'rsa-sha256'
    ? sign('sha256', message, privateKey)
    : sign(null, createHash('sha256').update(message).digest(), privateKey)

const longestLine = 70

function inLines(signature) {
  let lines = signature.slice(0, longestLine)
  for (let from = longestLine; from < signature.length; from += longestLine)
    lines += `\r\n ${signature.slice(from, from + longestLine)}`
  return lines
}
