import { describe, expect, test } from 'vitest'
import { relaxedBody, relaxedField } from '../../shared/dkim/relaxed.ts'

describe('the relaxed form', () => {
  test('is that of the example in RFC 6376 3.4.5', () => {
    expect(relaxedField('A: X')).toBe('a:X\r\n')
    expect(relaxedField('B : Y\t\r\n\tZ  ')).toBe('b:Y Z\r\n')
    expect(relaxedBody(' C \r\nD \t E\r\n\r\n\r\n')).toBe(' C\r\nD E\r\n')
  })

  test('of a body without a line is nothing, and of one without an end has one', () => {
    for (const body of ['', '\r\n', '\r\n\r\n', ' \t\r\n\r\n']) expect(relaxedBody(body)).toBe('')
    expect(relaxedBody('C')).toBe('C\r\n')
    expect(relaxedBody('\r\n\r\nC ')).toBe('\r\n\r\nC\r\n')
  })

  test('keeps what is no blank of its own kind', () => {
    expect(relaxedField('Subject: \u00a0a\u00a0\u00a0b\u00a0')).toBe('subject:\u00a0a\u00a0\u00a0b\u00a0\r\n')
    expect(relaxedField('X: a:b\r\n c')).toBe('x:a:b c\r\n')
  })
})
