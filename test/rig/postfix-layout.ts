import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { needProgram } from './programs.ts'

export type PostfixOptions = {
  /** With a certificate STARTTLS is offered. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
  /** Who may send, after TLS only. Without a login everybody on this machine may. */
  readonly login?: { readonly user: string; readonly password: string } | undefined
  /** Lines of main.cf that take the place of ours. */
  readonly settings?: Readonly<Record<string, string>> | undefined
}

/** Everything an instance of Postfix needs, in `folder`: its configuration, its queue, its mailboxes. */
export function layOutPostfix(folder: string, port: number, { tls, login, settings }: PostfixOptions): void {
  const owner = { uid: idOf('-u'), gid: idOf('-g') }
  makeFolders(folder, owner)
  writeOld(join(folder, 'mailboxes'), mailboxes)
  writeOld(join(folder, 'aliases'), aliases)
  if (tls) writeFileSync(join(folder, 'tls.pem'), tls.key + tls.cert, { mode: 0o600 })
  if (login) keepLogin(folder, login, owner)
  const lines = {
    ...mainSettings(folder),
    ...(tls && tlsSettings(folder)),
    ...(login && loginSettings(folder)),
    ...settings,
  }
  writeOld(join(folder, 'main.cf'), toLines(lines))
  writeOld(join(folder, 'master.cf'), `127.0.0.1:${port} inet n - n - - smtpd\n${services}`)
}

/** A setting as the distribution has built it in. */
export const defaultOf = (setting: string): string => told(needProgram('postconf', 'postfix'), '-dh', setting)

type Owner = { readonly uid: number; readonly gid: number }

const idOf = (kind: '-u' | '-g') => Number(told('id', kind, defaultOf('mail_owner')))
const nobody = 65534

/** What a program says of this machine: it says the same each time, and is asked once. */
function told(program: string, ...asked: string[]): string {
  const question = [program, ...asked].join(' ')
  const answer = answers.get(question) ?? execFileSync(program, asked).toString().trim()
  answers.set(question, answer)
  return answer
}

const answers = new Map<string, string>()

// All go to one mailbox. That a letter cannot be forwarded is found out only after it was taken, and reported back.
const mailboxes = `/^(reader[0-9]+|blåbær)@mail\\.example$/ letters/
/^b\\+.*@bounce\\.example$/ letters/
`
const aliases = 'forwarded@mail.example moved@elsewhere.example\n'

const mainSettings = (folder: string) => ({
  compatibility_level: '3.6',
  queue_directory: join(folder, 'queue'),
  data_directory: join(folder, 'state'),
  maillog_file: join(folder, 'log'),
  maillog_file_prefixes: folder,
  myhostname: 'relay.example',
  mydestination: '',
  inet_interfaces: '127.0.0.1',
  inet_protocols: 'ipv4',
  mynetworks: '127.0.0.0/8',
  smtpd_relay_restrictions: 'permit_mynetworks, reject',
  // Nothing is ever sent on, whoever asks.
  default_transport: 'error:5.1.6 the mailbox has moved',
  relay_transport: 'error:5.1.6 the mailbox has moved',
  // It adds nothing to a letter that lacks something, so that what is stored can be compared byte for byte.
  local_header_rewrite_clients: '',
  // As later versions have them by default.
  smtpd_forbid_unauth_pipelining: 'yes',
  smtpd_forbid_bare_newline: 'yes',
  virtual_mailbox_domains: 'mail.example, bounce.example',
  virtual_mailbox_base: join(folder, 'mail'),
  virtual_mailbox_maps: `regexp:${join(folder, 'mailboxes')}`,
  virtual_uid_maps: `static:${nobody}`,
  virtual_gid_maps: `static:${nobody}`,
  virtual_alias_maps: `texthash:${join(folder, 'aliases')}`,
})

const tlsSettings = (folder: string) => ({
  smtpd_tls_security_level: 'may',
  smtpd_tls_chain_files: join(folder, 'tls.pem'),
})

const loginSettings = (folder: string) => ({
  smtpd_sasl_auth_enable: 'yes',
  smtpd_sasl_local_domain: '$myhostname',
  smtpd_tls_auth_only: 'yes',
  smtpd_relay_restrictions: 'permit_sasl_authenticated, reject',
  cyrus_sasl_config_path: join(folder, 'sasl'),
})

// What master(5) needs to take letters and to put them into mailboxes. There is no `smtp`: nothing could be sent on.
const services = `cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
tlsmgr unix - - n 1000? 1 tlsmgr
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`

// Owners and rights as Postfix gives them to its own when it is installed.
function makeFolders(folder: string, { uid, gid }: Owner): void {
  const make = (path: string, mode: number, owner: number, group: number) => {
    mkdirSync(join(folder, path))
    chownSync(join(folder, path), owner, group)
    chmodSync(join(folder, path), mode)
  }
  chmodSync(folder, 0o755)
  make('queue', 0o755, 0, 0)
  make('queue/pid', 0o755, 0, 0)
  for (const name of queueFolders) make(`queue/${name}`, 0o700, uid, gid)
  make('queue/public', 0o710, uid, gid)
  make('state', 0o700, uid, gid)
  make('mail', 0o700, nobody, nobody)
}

const queueFolders = 'active bounce corrupt defer deferred flush hold incoming maildrop private saved trace'.split(' ')

// A table changed in the last two seconds is read over and over, lest somebody is still writing it.
function writeOld(path: string, text: string): void {
  writeForAll(path, text)
  utimesSync(path, longAgo, longAgo)
}

const longAgo = new Date('2026-01-01')

// Postfix's parts read it under accounts of their own, whatever the umask here.
function writeForAll(path: string, text: string): void {
  writeFileSync(path, text)
  chmodSync(path, 0o644)
}

function keepLogin(folder: string, login: { user: string; password: string }, { uid, gid }: Owner): void {
  const file = join(folder, 'logins')
  const program = needProgram('saslpasswd2', 'sasl2-bin')
  execFileSync(program, ['-p', '-c', '-f', file, '-u', 'relay.example', login.user], { input: login.password })
  chownSync(file, uid, gid)
  mkdirSync(join(folder, 'sasl'))
  chmodSync(join(folder, 'sasl'), 0o755)
  const lines = ['pwcheck_method: auxprop', 'auxprop_plugin: sasldb', `sasldb_path: ${file}`, 'mech_list: PLAIN LOGIN']
  writeForAll(join(folder, 'sasl', 'smtpd.conf'), `${lines.join('\n')}\n`)
}

function toLines(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('')
}
