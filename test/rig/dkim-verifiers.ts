import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import type { DkimRecord } from '../../shared/dkim/dkim-key.ts'
import { findProgram } from './programs.ts'

/** What a verifier makes of one signature. */
export type Verified = { readonly selector: string; readonly result: string; readonly names: readonly string[] }

// Its types leave this out.
type WithNames = { readonly signingHeaders?: { readonly keys?: string } }

/** mailauth reads a letter as it came, with the records it would find in DNS. */
export async function verifyByMailauth(raw: string | Buffer, records: readonly DkimRecord[]): Promise<Verified[]> {
  const { results } = await dkimVerify(Buffer.from(raw), {
    resolver: async (name: string) => {
      const found = records.filter((record) => record.name === name)
      if (found.length === 0) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
      // As DNS hands a long text over: in strings of 255 octets at most.
      return found.map(({ value }) => value.match(/.{1,255}/g) ?? [])
    },
  })
  return results.map((one) => ({
    selector: one.selector ?? '',
    result: one.status.result,
    names: ((one as WithNames).signingHeaders?.keys ?? '').split(':').map((name) => name.trim().toLowerCase()),
  }))
}

/** Verifies every signature of a letter in another implementation; `null` where that is not installed. */
export type OtherVerifier = (raw: string, records: readonly DkimRecord[]) => string[]

/** dkimpy, the library behind `dkimverify` (Debian: python3-dkim, and python3-nacl for Ed25519). */
export function findDkimpy(): OtherVerifier | null {
  const python = ['/usr/bin/python3', findProgram('python3')].find(
    (path) => path && spawnSync(path, ['-c', 'import dkim, nacl']).status === 0,
  )
  if (!python) return null
  return (raw, records) => {
    const dns = Object.fromEntries(records.map(({ name, value }) => [`${name}.`, value]))
    const { stdout, stderr } = spawnSync(python, ['-c', dkimpyScript, JSON.stringify(dns)], { input: raw })
    const told = stdout.toString().trim()
    return told === '' ? [`nothing: ${stderr.toString()}`] : told.split('\n')
  }
}

const dkimpyScript = `
import dkim, json, sys
dns = json.loads(sys.argv[1])
letter = sys.stdin.buffer.read()
find = lambda name, timeout=5: dns.get(name.decode(), "").encode()
verifier = dkim.DKIM(letter)
for n in range(sum(1 for name, _ in verifier.headers if name.lower() == b"dkim-signature")):
    try:
        print("pass" if dkim.DKIM(letter).verify(idx=n, dnsfunc=find) else "fail")
    except dkim.DKIMException as error:
        print("fail:", error)
`

/** OpenDKIM as a mail host runs it, in its test mode with keys from a file in place of DNS (Debian: opendkim). */
export function findOpendkim(): OtherVerifier | null {
  const opendkim = findProgram('opendkim')
  if (opendkim === null) return null
  return (raw, records) => {
    const folder = mkdtempSync(join(tmpdir(), 'pressebud-opendkim-'))
    try {
      const keys = join(folder, 'keys')
      writeFileSync(keys, records.map(({ name, value }) => `${name} ${value}\n`).join(''))
      writeFileSync(join(folder, 'conf'), `TestPublicKeys ${keys}\nTemporaryDirectory ${folder}\n`)
      writeFileSync(join(folder, 'letter'), raw)
      const { stdout, stderr } = spawnSync(opendkim, ['-x', 'conf', '-vv', '-t', 'letter'], { cwd: folder })
      const told = [...stdout.toString().matchAll(/\tdkim=([^(;]*)/g)].map(
        ([, result]) => result!.trim().split(' ')[0]!,
      )
      return told.length === 0 ? [`nothing: ${stdout}${stderr}`] : told
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
