import type { Command } from 'commander'
import { isLanguage, languages } from '../../shared/language/language.ts'
import { snippetOf } from '../../shared/snippet/snippet.ts'
import { chooseNewsroom } from './choose-newsroom.ts'
import type { CliDeps } from './cli-deps.ts'
import { usageMistake } from './mistake.ts'
import { asJson } from './terminal.ts'

type Options = { readonly language?: string; readonly json?: true }

/** `newsroom snippet`: the follow box to paste into a page of the publisher's own. */
export function addSnippetCommand(newsroom: Command, deps: CliDeps): void {
  newsroom
    .command('snippet')
    .description('the follow box, ready to paste into a page of the publisher’s own')
    .argument('<slug>')
    .option('--language <tag>', 'the language of that page (default: the newsroom’s)')
    .option('--json', 'answer in JSON')
    .action((slug: string, options: Options) => printSnippet(deps, slug, options))
}

async function printSnippet({ terminal, surroundings }: CliDeps, slug: string, options: Options): Promise<void> {
  const newsroom = await chooseNewsroom(surroundings.database(), slug)
  const language = options.language ?? newsroom.defaultLanguage
  if (!isLanguage(language))
    throw usageMistake(`“${language}” is not a language Pressebud writes in.`, `It writes in ${languages.join(', ')}.`)
  if (surroundings.api === null) throw usageMistake('No public address is known.', 'Set PUBLIC_URL.')
  const snippet = snippetOf(newsroom, language, surroundings.api)
  if (options.json) return terminal.out(asJson({ snippet, allowedOrigins: newsroom.allowedOrigins }))
  terminal.out(snippet)
  if (newsroom.allowedOrigins.length > 0) return
  terminal.err(
    `${terminal.paint.bold('!')} No web origin is listed for ${newsroom.slug} yet. The box works all the same, but its reader is led to\n`,
  )
  terminal.err(
    '  our own page and asked to press once more. List the page’s origin: allowedOrigins in the newsroom’s file.\n',
  )
}
