import { expect, test } from 'vitest'
import { formsOf, headingOf } from '../../services/cli/demo/pages.ts'

const page = 'http://127.0.0.1:3000/newsrooms/havna?language=nb'

test('a form is sent as a browser would: hidden fields, the chosen language, ticked boxes only, and no buttons', () => {
  const html = `
    <form method="POST" action="/newsrooms/havna/follow">
      <input id="email" name="email" type="email" required value="">
      <input type=hidden name=token value='a&amp;b'>
      <select name="language"><option value="en">English</option><option value="nb" selected>Norsk</option></select>
      <input type="checkbox" name="weekly" value="1"><input type="checkbox" name="terms" value="1" checked>
      <input name="comment" type="text"><button name="go" type="submit">Følg</button>
    </form>`
  expect(formsOf(html, page)).toEqual([
    {
      action: 'http://127.0.0.1:3000/newsrooms/havna/follow',
      method: 'post',
      fields: [
        { name: 'email', type: 'email', value: '' },
        { name: 'token', type: 'hidden', value: 'a&b' },
        { name: 'terms', type: 'checkbox', value: '1' },
        { name: 'comment', type: 'text', value: '' },
        { name: 'language', type: 'select', value: 'nb' },
      ],
    },
  ])
})

test('a form without an address of its own goes to its page', () => {
  expect(formsOf('<form method="post"><button>Ja</button></form>', page)[0]?.action).toBe(page)
})

test('a heading is read without its markup', () => {
  expect(headingOf('<h1 class="x">Du  følger\n<em>Havna &amp; elva</em></h1>')).toBe('Du følger Havna & elva')
})
