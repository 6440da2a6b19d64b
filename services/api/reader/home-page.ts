import type { FastifyInstance } from 'fastify'
import { languages } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { listNewsrooms } from '../../../shared/newsroom/newsroom.sql.ts'
import { pageLanguage } from './page-language.ts'
import { sendPage } from './page-reply.ts'
import { htmlAnswer, pageQuery } from './page-schemas.ts'
import type { ReaderDeps } from './reader-deps.ts'

/** The front page: the newsrooms there are. */
export function homePage(app: FastifyInstance, deps: Pick<ReaderDeps, 'pool' | 'publicUrl'>): void {
  app.get(
    '/',
    { schema: { tags: ['reader'], summary: 'The newsrooms', querystring: pageQuery, response: { 200: htmlAnswer } } },
    async (request, reply) => {
      const newsrooms = await listNewsrooms(deps.pool)
      const language = pageLanguage(request, languages, newsrooms[0]?.defaultLanguage ?? 'en')
      const words = wordsFor(language, 'pages')
      return sendPage(request, reply, {
        template: 'home',
        language,
        title: words('home.title'),
        newsroom: null,
        languages,
        about: { description: words('home.lead'), address: `${deps.publicUrl}/` },
        values: { newsrooms },
      })
    },
  )
}
