import { createHash, type KeyObject, verify } from 'node:crypto'

/** What somebody would show, file by or act upon (RFC 6376 5.4, RFC 8058 4). */
const mustBeSigned = ['from', 'to', 'subject', 'date', 'message-id', 'list-unsubscribe', 'list-unsubscribe-post']

/**
 * Whether a letter begins with a DKIM signature of its sender's domain that holds by this key, body and fields (RFC 6376 6.1). Read by
 * rule and apart from the code that signs. In the characters of its bytes, as on the wire.
 */
export function isSignedBy(key: KeyObject, wire: string): boolean {
  const letter = wire.replaceAll('\r\n..', '\r\n.')
  const headEnd = letter.indexOf('\r\n\r\n')
  const [signature = '', ...others] = letter.slice(0, headEnd).split(/\r\n(?![ \t])/)
  if (!/^dkim-signature:/i.test(signature)) return false
  const tags = new Map(
    tellingOf(signature)
      .split(';')
      .map((tag) => [tag.slice(0, tag.indexOf('=')).trim(), tag.slice(tag.indexOf('=') + 1).replace(/\s/g, '')]),
  )
  const hash = createHash('sha256')
    .update(canonicalBody(letter.slice(headEnd + 4)), 'latin1')
    .digest('base64')
  if (tags.get('bh') !== hash) return false
  const names = (tags.get('h') ?? '').toLowerCase().split(':')
  if (!mustBeSigned.every((name) => names.includes(name))) return false
  const sender = tellingOf(others.find((field) => nameOf(field) === 'from') ?? '')
  if (tags.get('a') !== 'rsa-sha256' || !sender.trim().endsWith(`@${tags.get('d')}>`)) return false
  // Of fields with one name the lowest first, and what is not there counts as nothing.
  const left = [...others]
  const signed = names.map((name) => {
    const at = left.findLastIndex((field) => nameOf(field) === name)
    return at === -1 ? '' : `${canonicalField(left.splice(at, 1)[0]!)}\r\n`
  })
  const own = canonicalField(signature).replace(/(;\s*b=)[^;]*/, '$1')
  const said = Buffer.from(signed.join('') + own, 'latin1')
  return verify('sha256', said, key, Buffer.from(tags.get('b') ?? '', 'base64'))
}

const nameOf = (field: string) => field.slice(0, field.indexOf(':')).trim().toLowerCase()
const tellingOf = (field: string) => field.slice(field.indexOf(':') + 1)

/** RFC 6376 3.4.2. */
const canonicalField = (field: string) =>
  `${nameOf(field)}:${tellingOf(field)
    .replaceAll('\r\n', '')
    .replace(/[ \t]+/g, ' ')
    .trim()}`

/** RFC 6376 3.4.4. */
const canonicalBody = (body: string) =>
  `${body
    .replace(/[ \t]+/g, ' ')
    .replaceAll(' \r\n', '\r\n')
    .replace(/(\r\n)+$/, '')}\r\n`
