import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { readSettings } from '../../shared/config/read-settings.ts'
import { type DkimKey, type DkimRecord, dkimRecord, makeDkimKey, zoneLines } from '../../shared/dkim/dkim-key.ts'
import { dkimSettings, isSelector, notSelector, readDkim } from '../../shared/dkim/read-dkim.ts'
import { readDomain } from '../../shared/domain-name.ts'
import type { CliDeps } from './cli-deps.ts'
import { Mistake, usageMistake } from './mistake.ts'
import { asJson } from './terminal.ts'

/** `dkim create`, `show`. */
export function addDkimCommands(program: Command, deps: CliDeps): void {
  const dkim = program
    .command('dkim')
    .description('the keys that letters are signed with, where the mail host does not')

  dkim
    .command('create')
    .description('make an RSA and an Ed25519 key, and say what to publish in DNS and to set')
    .requiredOption('--domain <domain>', "the domain that signs: that of the newsrooms' senders")
    .requiredOption('--selector <name>', 'a new name for the keys, 2026-11 for example')
    .option('--out <folder>', 'where the keys go (default: the folder dkim in DATA_DIR)')
    .option('--zone', 'the records as lines of a zone file')
    .option('--json', 'answer in JSON')
    .addHelpText('after', createExamples)
    .action((options: CreateOptions) => create(deps, options))

  dkim
    .command('show')
    .description('the DNS records of the keys in the DKIM settings of this environment')
    .option('--zone', 'the records as lines of a zone file')
    .option('--json', 'answer in JSON')
    .action((options: ShowOptions) => show(deps, options))
}

const createExamples = `
Examples:
  pressebud dkim create --domain havna.example --selector 2026-11
  pressebud dkim create --domain havna.example --selector 2026-11 --out /etc/pressebud/dkim --zone

To change keys: create new ones under a new selector, publish their records beside the old ones, then change the
settings. The old records stay until no letter is under way any more: a week is enough.
`

type ShowOptions = { readonly zone?: true; readonly json?: true }
type CreateOptions = ShowOptions & { readonly domain: string; readonly selector: string; readonly out?: string }

function create(deps: CliDeps, options: CreateOptions): void {
  const { terminal, surroundings } = deps
  const { selector } = options
  const domain = readDomain(options.domain)
  if (!domain) throw usageMistake(`“${options.domain}” is not a domain.`, 'Write it as in havna.example.')
  const second = `${selector}-ed25519`
  if (!isSelector(selector) || !isSelector(second)) throw usageMistake(`The selector ${notSelector}`)

  const folder = resolve(options.out ?? join(surroundings.dataDir, 'dkim'))
  const made = [
    { algorithm: 'rsa-sha256', selector, path: join(folder, `${domain}-${selector}.pem`) },
    { algorithm: 'ed25519-sha256', selector: second, path: join(folder, `${domain}-${second}.pem`) },
  ] as const
  const taken = made.find(({ path }) => existsSync(path))
  if (taken)
    throw new Mistake(`There is already a key in ${taken.path}.`, [
      'Letters signed with it may be under way: give new keys a new selector.',
    ])
  const records = made.map(({ algorithm, selector, path }) => {
    const privateKey = makeDkimKey(algorithm)
    keep(path, folder, privateKey)
    return dkimRecord(domain, { algorithm, selector, privateKey })
  })
  const settings = {
    DKIM_DOMAIN: domain,
    DKIM_SELECTOR: selector,
    DKIM_RSA_KEY_FILE: made[0].path,
    DKIM_ED25519_SELECTOR: second,
    DKIM_ED25519_KEY_FILE: made[1].path,
  }
  if (options.json) {
    terminal.out(asJson({ records, settings }))
    return
  }
  terminal.err(`${terminal.paint.good('✓')} Two keys are in ${folder}; only this account can read them.\n`)
  terminal.err('\nPublish these records in DNS:\n\n')
  terminal.out(recordsAs(options, records))
  terminal.err('\nWhen they can be seen there, set this for the workers and start them again:\n\n')
  terminal.out(
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
}

function keep(path: string, folder: string, privateKey: DkimKey['privateKey']): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    // `wx`: a key that appeared meanwhile is not written over.
    writeFileSync(path, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    throw new Mistake(`${path} cannot be written (${(error as NodeJS.ErrnoException).code}).`)
  }
}

function show({ terminal, surroundings }: CliDeps, options: ShowOptions): void {
  const readFile = (path: string) => readFileSync(path, 'utf8')
  const settings = readSettings(surroundings.environment, dkimSettings, (found) => readDkim(found, readFile).faults)
  const { identity, warnings } = readDkim(settings, readFile)
  if (identity === null)
    throw new Mistake('Letters are not signed here: no DKIM setting is set.', [
      'Set them as for the workers, or make keys: pressebud dkim create --help',
    ])
  const records = identity.keys.map((key) => dkimRecord(identity.domain, key))
  if (options.json) {
    terminal.out(asJson({ domain: identity.domain, records, warnings }))
    return
  }
  for (const warning of warnings) terminal.err(`! ${warning}\n`)
  terminal.out(recordsAs(options, records))
}

const recordsAs = ({ zone }: ShowOptions, records: readonly DkimRecord[]) =>
  zone
    ? records.map(zoneLines).join('')
    : records.map(({ name, value }) => `Name   ${name}\nType   TXT\nValue  ${value}\n`).join('\n')
