import { Mistake } from '../mistake.ts'

/** A form as it stands in a page: what a browser would send when its button is pressed. */
export type PageForm = {
  readonly action: string
  readonly method: string
  readonly fields: readonly { readonly name: string; readonly type: string; readonly value: string }[]
}

/** A page as a browser is given it. */
export async function readPage(url: string): Promise<string> {
  const response = await fetch(url, { headers: { accept: 'text/html' }, signal: AbortSignal.timeout(10_000) })
  if (!response.ok) throw new Mistake(`${url} answers ${response.status}.`)
  return response.text()
}

export const headingOf = (html: string): string =>
  decode((/<h1\b[^>]*>([\s\S]*?)<\/h1>/i.exec(html)?.[1] ?? '').replace(/<[^>]*>/g, ''))
    .replace(/\s+/g, ' ')
    .trim()

/**
 * The forms of one of our own pages. The demo presses buttons as a reader does, so that it breaks when a page does;
 * this reads just enough HTML for that.
 */
export function formsOf(html: string, pageUrl: string): PageForm[] {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, tag = '', inside = '']) => {
    const form = attributesOf(tag)
    return {
      action: new URL(form.action ?? '', pageUrl).href,
      method: (form.method ?? 'get').toLowerCase(),
      fields: fieldsOf(inside),
    }
  })
}

/**
 * Presses the button: sends the form with what was filled in, and everything else as the page had it. A program is
 * quicker than any reader, so it is asked to press once more, and does.
 */
export async function pressButton(form: PageForm, filledIn: Readonly<Record<string, string>> = {}): Promise<Response> {
  const answer = await sendForm(form, filledIn)
  if (answer.status !== 428) return answer
  const again = formsOf(await answer.text(), form.action).find(({ fields }) => fields.length > 0)
  if (!again) throw new Mistake(`${form.action} asks for its button once more, and has none.`)
  return sendForm(again, {})
}

async function sendForm(form: PageForm, filledIn: Readonly<Record<string, string>>): Promise<Response> {
  const body = new URLSearchParams()
  for (const { name, value } of form.fields) body.append(name, filledIn[name] ?? value)
  return fetch(form.action, {
    method: 'POST',
    headers: { accept: 'text/html' },
    body,
    signal: AbortSignal.timeout(10_000),
  })
}

function fieldsOf(html: string): PageForm['fields'] {
  const inputs = [...html.matchAll(/<input\b([^>]*)>/gi)]
    .map(([, tag = '']) => attributesOf(tag))
    .filter((input) => !/^(?:submit|button|image|reset)$/.test(input.type ?? ''))
    // A box or choice that is not ticked sends nothing.
    .filter((input) => !/^(?:checkbox|radio)$/.test(input.type ?? '') || input.checked !== undefined)
  const selects = [...html.matchAll(/<select\b([^>]*)>([\s\S]*?)<\/select>/gi)].map(([, tag = '', inside = '']) => {
    const options = [...inside.matchAll(/<option\b([^>]*)>/gi)].map(([, option = '']) => attributesOf(option))
    const chosen = options.find((option) => option.selected !== undefined) ?? options[0]
    return { ...attributesOf(tag), type: 'select', value: chosen?.value ?? '' }
  })
  return [...inputs, ...selects].flatMap((field: Attributes) =>
    field.name ? [{ name: field.name, type: field.type ?? 'text', value: field.value ?? '' }] : [],
  )
}

type Attributes = Record<string, string | undefined>

const attributesOf = (tag: string): Attributes =>
  Object.fromEntries(
    [...tag.matchAll(/([a-z][a-z-]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/gi)].map(
      ([, name = '', ...values]) => [name.toLowerCase(), decode(values.find((value) => value !== undefined) ?? '')],
    ),
  )

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#x27': "'" }
const decode = (text: string) => text.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name: string) => entities[name]!)
