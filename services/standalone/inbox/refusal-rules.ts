import { readFile, rename, writeFile } from 'node:fs/promises'
import { domainKey, mailboxKey } from './mailbox.ts'

export type RefusalWish = {
  /** An address, a domain, or `*` for everybody. */
  readonly to: string
  readonly code: number
  /** What the mail host says, its enhanced code first: `4.2.2 Mailbox full`. */
  readonly text: string
  /** How many letters; null: until the rule is removed. */
  readonly times: number | null
}

export type RefusalRule = RefusalWish & { readonly id: number; readonly refused: number }

export type RefusalRules = {
  all(): readonly RefusalRule[]
  add(wish: RefusalWish): Promise<RefusalRule>
  remove(id: number): Promise<boolean>
  /** The answer this recipient gets, counted; null: mail is welcome. The rule for an address goes before its domain's. */
  refuse(address: string): { readonly code: number; readonly text: string } | null
  close(): Promise<void>
}

const texts: Readonly<Record<number, string>> = {
  450: '4.2.0 The mailbox is busy; try again later',
  550: '5.1.1 There is no such mailbox',
}

/** What a refusal says when nobody wrote a text: the one for its code, or its kind. */
export function textFor(code: number): string {
  return texts[code] ?? (code < 500 ? '4.0.0 Not now; try again later' : '5.0.0 Not accepted here')
}

/** What is wrong with a wish, in a sentence for the person who made it; null when nothing is. */
export function faultOfWish({ to, code, text, times }: RefusalWish): string | null {
  if (!/^(\*|@?[^\s@<>]+|[^\s@<>]+@[^\s@<>]+)$/u.test(to)) return 'Give an address, a domain, or * for everybody.'
  if (!Number.isInteger(code) || code < 400 || code > 599) return 'The code is a number from 400 to 599.'
  // 421 announces that the connection closes, which is not an answer to one recipient.
  if (code === 421) return 'The code 421 closes the connection; choose another one.'
  if (text.trim() === '' || text.length > 400) return 'The text has 1 to 400 characters.'
  if (/[^\x20-\x7e]/.test(text)) return 'The text is plain English letters on one line: SMTP replies are ASCII.'
  if (times !== null && (!Number.isInteger(times) || times < 1 || times > 1_000_000)) {
    return 'How many letters is a number from 1 to 1,000,000.'
  }
  return null
}

/** The rules, kept in a file so that they hold after a restart too. */
export async function openRefusalRules(path: string): Promise<RefusalRules> {
  let rules: RefusalRule[] = await readRules(path)
  let next = Math.max(0, ...rules.map(({ id }) => id)) + 1
  let line: Promise<void> = Promise.resolve()

  function save(): Promise<void> {
    line = line
      .catch(() => {})
      .then(async () => {
        await writeFile(`${path}.new`, JSON.stringify(rules), { mode: 0o600 })
        await rename(`${path}.new`, path)
      })
    return line
  }

  return {
    all: () => rules,
    async add(wish) {
      const rule = { ...wish, id: next, refused: 0 }
      next += 1
      rules = [...rules, rule]
      await save()
      return rule
    },
    async remove(id) {
      const kept = rules.filter((rule) => rule.id !== id)
      const removed = kept.length < rules.length
      rules = kept
      if (removed) await save()
      return removed
    },
    refuse(address) {
      const rule = chooseRule(rules, address)
      if (rule === null) return null
      rules = rules.map((one) => (one.id === rule.id ? { ...one, refused: one.refused + 1 } : one))
      // An unending rule may answer thousands a second, and its count decides nothing: that one is saved at the end.
      if (rule.times !== null) void save().catch(() => {})
      return { code: rule.code, text: rule.text }
    },
    close: save,
  }
}

/** Whether the rule has refused as many letters as it was made for. */
export const isSpent = ({ times, refused }: RefusalRule) => times !== null && refused >= times

function chooseRule(rules: readonly RefusalRule[], address: string): RefusalRule | null {
  if (rules.length === 0) return null
  const mailbox = mailboxKey(address)
  const domain = mailbox.slice(mailbox.lastIndexOf('@') + 1)
  const live = rules.filter((rule) => !isSpent(rule))
  const rank = ({ to }: RefusalRule) => {
    if (to === '*') return 3
    if (/^@|^[^@]+$/.test(to)) return domainKey(to.replace(/^@/, '')) === domain ? 2 : 0
    return mailboxKey(to) === mailbox ? 1 : 0
  }
  const ranked = live
    .filter((rule) => rank(rule) > 0)
    .sort((one, other) => rank(one) - rank(other) || one.id - other.id)
  return ranked[0] ?? null
}

async function readRules(path: string): Promise<RefusalRule[]> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as RefusalRule[]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
