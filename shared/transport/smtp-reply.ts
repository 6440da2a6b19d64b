import type { Reply } from './transport.ts'

/**
 * Cuts what a mail host says into replies, however the network has cut it into packets. A reply may span lines
 * (RFC 5321 4.2.1). Only CRLF ends a line; anything that is not a reply is garbage, after which nothing the host says
 * can be matched to a question.
 */
export type ReplyReader = {
  feed(chunk: Buffer): void
  /** The code of the next whole reply, or `incomplete`, or `garbage`. */
  next(): number
  /** The lines, without code, of the reply `next` has just returned. */
  lines(): readonly string[]
  /** Whether bytes of a reply not yet whole are held. */
  holdsBytes(): boolean
}

export const incomplete = 0
export const garbage = -1

// RFC 5321 4.5.3.1.5 says 512; hosts that put a link to their help page in every line go beyond.
const longestLine = 2048
const mostLines = 128

const lineFeed = 10
const carriageReturn = 13
const space = 0x20
const hyphen = 0x2d
const nothing = Buffer.alloc(0)

export function readReplies(): ReplyReader {
  let bytes: Buffer = nothing
  let at = 0
  let earlierLines: string[] = []
  let code = 0
  let textStart = 0
  let textEnd = 0
  let isWhole = true

  function next(): number {
    if (isWhole) {
      earlierLines = []
      isWhole = false
    }
    for (;;) {
      const end = bytes.indexOf(lineFeed, at)
      if (end === -1) return keepRest()
      const start = at
      at = end + 1
      const isFirst = earlierLines.length === 0
      const found = codeOf(bytes, start, end)
      if (found === garbage || (!isFirst && found !== code)) return garbage
      code = found
      textStart = Math.min(start + 4, end - 1)
      textEnd = end - 1
      if (bytes[start + 3] !== hyphen) {
        isWhole = true
        return code
      }
      if (earlierLines.length === mostLines) return garbage
      earlierLines.push(bytes.toString('utf8', textStart, textEnd))
    }
  }

  // The caller's buffer is read into again, so what is left over is copied.
  function keepRest(): number {
    bytes = at < bytes.length ? Buffer.from(bytes.subarray(at)) : nothing
    at = 0
    return bytes.length > longestLine ? garbage : incomplete
  }

  return {
    feed(chunk) {
      bytes = at < bytes.length ? Buffer.concat([bytes.subarray(at), chunk]) : chunk
      at = 0
    },
    next,
    lines: () => {
      const last = bytes.toString('utf8', textStart, textEnd)
      return earlierLines.length === 0 ? [last] : [...earlierLines, last]
    },
    holdsBytes: () => at < bytes.length || (!isWhole && earlierLines.length > 0),
  }
}

/** The lines of a reply as one. An enhanced code that contradicts the basic one is left in the text. */
export function toReply(code: number, lines: readonly string[]): Reply {
  const enhanced = enhancedCode.exec(lines[0] ?? '')?.[1] ?? null
  const agrees = enhanced !== null && enhanced.charCodeAt(0) - 0x30 === Math.floor(code / 100)
  const words = agrees ? lines.map((line) => line.replace(enhancedCode, '')) : lines
  const text = words.join(' ').replace(controls, ' ').trim().slice(0, longestText).toWellFormed()
  return { code, enhanced: agrees ? enhanced : null, text }
}

const enhancedCode = /^([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)/
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g
const longestText = 1000

function codeOf(bytes: Buffer, start: number, end: number): number {
  const length = end - 1 - start
  if (length < 3 || length > longestLine || bytes[end - 1] !== carriageReturn) return garbage
  const hundreds = bytes[start]! - 0x30
  const tens = bytes[start + 1]! - 0x30
  const ones = bytes[start + 2]! - 0x30
  if (hundreds < 2 || hundreds > 5 || tens < 0 || tens > 9 || ones < 0 || ones > 9) return garbage
  const separator = length === 3 ? space : bytes[start + 3]
  return separator === space || separator === hyphen ? hundreds * 100 + tens * 10 + ones : garbage
}
