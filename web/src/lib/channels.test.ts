import { expect, test } from 'vitest'
import { addressOf } from './channels.ts'

test('the link of a chat says who one writes to', () => {
  expect(addressOf('TELEGRAM', 'https://t.me/your_bot?start=YC-1')).toBe('@your_bot')
  expect(addressOf('TELEGRAM', 'http://phone.test/t.me/your_bot?start=YC-1')).toBe('@your_bot')
  const numbers = ['12025550123', '442079460018', '4915112345678', '35312345678', '15550100']
  expect(numbers.map((number) => addressOf('WHATSAPP', `https://wa.me/${number}?text=Hi`))).toEqual([
    '+1 202 555 0123',
    '+44 207 946 0018',
    '+49 151 123 456 78',
    '+353 123 456 78',
    '+1 555 0100',
  ])
})
