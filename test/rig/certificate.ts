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

/** A certificate nobody but its own file vouches for. `names`: as in a subjectAltName. The file goes with the test. */
export function makeCertificate(names: string): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-certificate-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const certFile = join(folder, 'cert.pem')
  const pair = made.get(names) ?? make(names, join(folder, 'key.pem'), certFile)
  made.set(names, pair)
  writeFileSync(certFile, pair.cert)
  return { ...pair, certFile }
}

type Pair = Omit<Certificate, 'certFile'>

/** Nothing depends on a certificate's being new, and openssl takes its time. */
const made = new Map<string, Pair>()

function make(names: string, keyFile: string, certFile: string): Pair {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const subject = ['-subj', '/CN=host.example', '-addext', `subjectAltName=${names}`, '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', keyFile, '-out', certFile], {
    stdio: 'ignore',
  })
  return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') }
}
