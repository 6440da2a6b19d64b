import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cleanHtml } from '../../shared/letter/clean-html.ts'
import { mailUrl, phoneUrl, webUrl } from '../../shared/letter/link-targets.ts'
import { shortenHtml } from '../../shared/letter/shorten-html.ts'

const corpus = join(import.meta.dirname, '../../../shared/corpora/strings/blns.json')

describe('foreign HTML', () => {
  test.each([
    ['scripts and handlers go', '<p onclick="x()">Hei<script>alert(1)</script></p><img src=x onerror=x>', '<p>Hei</p>'],
    ['classes and styles go', '<p class="a" style="color:red" id="b">Hei</p>', '<p>Hei</p>'],
    ['a title inside becomes a heading under ours', '<h1>En</h1><p>x</p><h2>To</h2>', '<h2>En</h2><p>x</p><h2>To</h2>'],
    [
      'no heading level is skipped',
      '<h4>En</h4><h6>To</h6><h6>Tre</h6><h2>Fire</h2>',
      '<h2>En</h2><h3>To</h3><h4>Tre</h4><h2>Fire</h2>',
    ],
    ['an empty heading or link is not left', '<h2> </h2><p><a href="https://example.com"></a>Hei</p>', '<p>Hei</p>'],
    [
      'only web and mail links are left',
      '<p><a href="javascript:x">a</a> <a href="data:text/html,x">b</a> <a href=" https://example.com/å?b=1&amp;c ">c</a> <a href="mailto:a@example.com?bcc=x@example.com">d</a></p>',
      '<p>a b <a href="https://example.com/%C3%A5?b=1&amp;c">c</a> <a href="mailto:a@example.com">d</a></p>',
    ],
    [
      'loose text becomes paragraphs',
      'En<br><br>to <b>tre</b><p>fire</p>fem',
      '<p>En</p><p>to <b>tre</b></p><p>fire</p><p>fem</p>',
    ],
    [
      'boxes of an editor become paragraphs',
      '<div><div>En</div><section><p>To</p></section></div>',
      '<p>En</p><p>To</p>',
    ],
    [
      'a stray cell cannot end the letter’s own table',
      '</td></tr></table><td>En</td><tr><li>To</li></tr>',
      '<p>En To</p>',
    ],
    [
      'a table straight inside another cannot either',
      '<table><table><tr><td>En</td></tr></table></table>',
      '<table><tr><td>En</td></tr></table>',
    ],
    [
      'a table inside a cell may stay',
      '<table><tr><td><table><tr><td>En</td></tr></table></td></tr></table>',
      '<table><tr><td><table><tr><td>En</td></tr></table></td></tr></table>',
    ],
    [
      'spans of cells stay when they are plain numbers',
      '<table><tr><td colspan="2" rowspan="9999999">En</td></tr></table>',
      '<table><tr><td colspan="2">En</td></tr></table>',
    ],
    ['loose text in a list is not lost to a parser', '<ul>En<li>To</li></ul>', '<p>En</p><ul><li>To</li></ul>'],
    [
      'loose text in a table is not either',
      '<table>En<tr>to<td>Tre</td></tr></table>',
      '<p>En to</p><table><tr><td>Tre</td></tr></table>',
    ],
    ['written-out markup stays text', '<p>&lt;script&gt;x&lt;/script&gt;</p>', '<p>&lt;script&gt;x&lt;/script&gt;</p>'],
    ['template signs stay text', '<p><%= it %> ⟦abc⟧ {{x}}</p>', '<p>&lt;%= it %&gt; ⟦abc⟧ {{x}}</p>'],
    [
      'a user name that poses as a host opens nothing',
      '<p><a href="https://bank.example@evil.example/">bank</a></p>',
      '<p>bank</p>',
    ],
    ['nothing gives nothing', ' <p></p> ', ''],
  ])('%s', (_, foreign, clean) => {
    expect(cleanHtml(foreign).replace(/ +/g, ' ')).toBe(clean)
    expect(cleanHtml(clean), 'cleaning twice changes nothing').toBe(clean)
  })

  test('depth and size break nothing', () => {
    expect(cleanHtml(`${'<blockquote>'.repeat(20_000)}Hei`)).toContain('Hei')
    expect(cleanHtml('<p>'.repeat(50_000))).toBe('')
    expect(cleanHtml(`<a href="https://example.com/${'a'.repeat(100_000)}">Hei</a>`)).toContain('Hei')
  })

  test.skipIf(!existsSync(corpus))('none of the naughty strings throws or leaves anything active', () => {
    const strings: string[] = JSON.parse(readFileSync(corpus, 'utf8'))
    expect(strings.length).toBeGreaterThan(500)
    for (const naughty of strings) {
      const clean = cleanHtml(naughty)
      expect(clean).not.toMatch(
        /<(?!\/?(?:p|h[2-4]|[uo]l|li|a|strong|em|b|i|blockquote|br|table|caption|t(?:head|body|foot|r|h|d))[ >])/,
      )
      for (const [tag] of clean.matchAll(/<[^>]*>/g))
        expect(tag).toMatch(/^<\/?[a-z0-9]+( (href="(https?|mailto):[^"<>]*"|(col|row)span="\d+"))*>$/)
      expect(cleanHtml(clean)).toBe(clean)
    }
  })
})

describe('links', () => {
  test('only whole web addresses are links', () => {
    for (const foreign of [
      'javascript:alert(1)',
      '//example.com',
      'example.com',
      'https://',
      'java\nscript:x',
      'ftp://example.com',
      'https://a b',
    ])
      expect(webUrl(foreign), foreign).toBeNull()
    expect(webUrl('https://blåbær.example/ø')).toBe('https://xn--blbr-roah.example/%C3%B8')
  })

  test('a telephone number is dialled by its digits, an address written to as it is', () => {
    expect(phoneUrl('+47 (0)555 01 234')).toBe('tel:+4755501234')
    expect(phoneUrl('spør sentralbordet')).toBeNull()
    expect(mailUrl('a@example.com?bcc=b@example.com')).toBeNull()
    expect(mailUrl("o'brien@example.com")).toBe("mailto:o'brien@example.com")
  })
})

describe('a text too long for a letter', () => {
  test('is cut after a whole paragraph and never after a heading', () => {
    const html = '<p>En</p><h2>Overskrift</h2><p>To og mer til</p>'
    expect(shortenHtml(html, 40)).toBe('<p>En</p>')
  })

  test('is cut inside a long list with its elements closed', () => {
    const html = `<ul>${'<li>Punkt</li>'.repeat(100)}</ul>`
    expect(shortenHtml(html, 100)).toMatch(/^<ul>(<li>Punkt<\/li>)+<\/ul>$/)
    expect(shortenHtml(html, 100).length).toBeLessThanOrEqual(100)
  })

  test('is cut between two words where it is one long paragraph', () => {
    expect(shortenHtml(`<p><b>ord &amp; ${'ord '.repeat(100)}</b></p>`, 60)).toMatch(
      /^<p><b>ord &amp; (ord )*ord…<\/b><\/p>$/,
    )
  })
})
