export type Addresses = {
  readonly newsroom: string
  readonly inbox: string
  readonly ops: string
  readonly opsPassword: string
  readonly docs: string
  readonly logs: string
  readonly queues: string
}

/** What a newcomer needs, on one screen. */
export function tellBanner(at: Addresses, colour: boolean): string {
  const strong = (text: string) => (colour ? `\u001b[1m${text}\u001b[22m` : text)
  const faint = (text: string) => (colour ? `\u001b[2m${text}\u001b[22m` : text)
  const rows: [string, string, string?][] = [
    ['Newsroom', at.newsroom, 'follow it as a reader'],
    ['Inbox', at.inbox, 'every letter sent lands here'],
    ["Operators' desk", at.ops, `password: ${at.opsPassword}`],
    ['API docs', at.docs],
  ]
  const widest = Math.max(...rows.map(([, address]) => address.length))
  return [
    '',
    `  ${strong('Pressebud is running.')} ${faint(at.queues)}`,
    '',
    ...rows.map(
      ([name, address, note]) =>
        `  ${name.padEnd(16)} ${strong(address)}${note ? `${' '.repeat(widest - address.length + 2)}${faint(note)}` : ''}`,
    ),
    '',
    '  Publish the sample release, from another terminal:',
    `    ${strong('npm run -s cli -- publish examples/release.json')}`,
    '  See the whole life of a letter told step by step:',
    `    ${strong('npm run demo')}`,
    '',
    faint(`  Logs are in ${at.logs}. Ctrl-C stops everything.`),
    '',
    '',
  ].join('\n')
}
