import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export type Certificate = { readonly key: string; readonly cert: string; readonly certFile: string }

export function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/**
 * A certificate nobody but its own file vouches for. `names`: as in a subjectAltName; `days`: for how long it is good, or
 * since when it is not. The file goes with the test.
 */
export function makeCertificate(names: string, days = 2): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-certificate-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const certFile = join(folder, 'cert.pem')
  const key = `${names} ${days}`
  const pair = made.get(key) ?? make(names, days, folder)
  made.set(key, pair)
  writeFileSync(certFile, pair.cert)
  return { ...pair, certFile }
}

type Pair = Omit<Certificate, 'certFile'>

/** Nothing depends on a certificate's being new, and openssl takes its time. */
const made = new Map<string, Pair>()

function make(names: string, days: number, folder: string): Pair {
  const [keyFile, askFile, namesFile, certFile] = ['key', 'ask', 'names', 'cert'].map((file) => join(folder, file))
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' })
  writeFileSync(namesFile!, `subjectAltName=${names}\n`)
  openssl('req', '-new', ...curve, '-subj', '/CN=host.example', '-keyout', keyFile!, '-out', askFile!)
  // `req -x509` makes none that is over already.
  const signed = ['-req', '-in', askFile!, '-signkey', keyFile!, '-extfile', namesFile!, '-days', String(days)]
  openssl('x509', ...signed, '-out', certFile!)
  return { key: readFileSync(keyFile!, 'utf8'), cert: readFileSync(certFile!, 'utf8') }
}
