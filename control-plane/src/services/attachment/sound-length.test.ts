import { expect, test } from 'vitest'
import { sampleVoice } from '../../../../sandbox/src/samples.ts'
import { soundSeconds } from './sound-length.ts'

/** A page of Ogg whose packets are these. */
function page(
  packets: Buffer[],
  { continued = false, lacing = undefined as number[] | undefined } = {},
): Buffer {
  const header = Buffer.alloc(27)
  header.write('OggS', 'latin1')
  header[5] = continued ? 1 : 0
  const table = lacing ?? packets.map((packet) => packet.length)
  header[26] = table.length
  return Buffer.concat([header, Buffer.from(table), ...packets])
}
const head = page([Buffer.from('OpusHead\x01\x01\x00\x00\x80\xbb\x00\x00\x00\x00\x00', 'latin1')])
/** Configuration, and how many frames it says it has. */
const packet = (config: number, frames = 1) =>
  frames === 1 ? Buffer.from([config << 3, 1]) : Buffer.from([(config << 3) | 3, frames, 1])
const times = <T>(count: number, one: T) => Array.from({ length: count }, () => one)

test('M9: a voice note is as long as its packets are, whatever its headers say', () => {
  expect(soundSeconds(sampleVoice())).toBe(1)
  // 60 ms of speech, 20 ms of both kinds, 2.5 ms of music; and three frames in one packet.
  expect(soundSeconds(Buffer.concat([head, page(times(100, packet(3)))]))).toBe(6)
  expect(soundSeconds(Buffer.concat([head, page(times(100, packet(13)))]))).toBe(2)
  expect(soundSeconds(Buffer.concat([head, page(times(200, packet(16)))]))).toBe(1)
  expect(soundSeconds(Buffer.concat([head, page(times(100, packet(1, 3)))]))).toBe(6)
})

test('M9: a packet of several segments, or of two pages, counts once', () => {
  const long = Buffer.concat([packet(31), Buffer.alloc(298)])
  const split = [
    page([long.subarray(0, 255)], { lacing: [255] }),
    page([long.subarray(255)], { continued: true }),
  ]
  const one = Buffer.concat([head, page([long], { lacing: [255, 45] }), ...split])
  expect(soundSeconds(Buffer.concat([one, ...times(24, Buffer.concat(split))]))).toBe(1)
})

test('F8: hours of silence in few bytes, a broken page around a good one and endless headers hide nothing and hold up nobody', () => {
  const silence = page(times(250, packet(3, 2)))
  expect(soundSeconds(Buffer.concat([head, ...times(120, silence)]))).toBe(3_600)
  const around = Buffer.concat([page([], { lacing: times(255, 255) }).subarray(0, 27), silence])
  expect(soundSeconds(Buffer.concat([head, around]))).toBeGreaterThanOrEqual(30)
  const headers = Buffer.concat([head, Buffer.alloc(5 * 2 ** 20, page([], { lacing: times(255, 0) }))])
  expect(soundSeconds(headers)).toBe(83)
  expect(soundSeconds(Buffer.concat([head, ...times(6_000, silence)]))).toBeGreaterThanOrEqual(86_400)
})

test.each(Array.from({ length: 23 }, (_, more) => more + 4))(
  'F8: broken pages of %i bytes before each page hide none of them',
  (length) => {
    const broken = Buffer.alloc(length)
    broken.write('OggS', 'latin1')
    const second = Buffer.concat([broken, page(times(50, packet(31)))])
    const seconds = soundSeconds(Buffer.concat([broken, head, ...times(1_800, second)]))
    expect(seconds).toBeGreaterThanOrEqual(1_800)
  },
)

test('F8: what overlaps on purpose is as long as can be, and what has no length is as long as its size takes', () => {
  const overlapping = Buffer.alloc(27)
  overlapping.write('OggS', 'latin1')
  overlapping[26] = 255
  expect(soundSeconds(Buffer.concat([head, Buffer.alloc(5 * 2 ** 20, overlapping)]))).toBe(86_400)
  expect(soundSeconds(head)).toBe(1)
  expect(soundSeconds(Buffer.concat([head, Buffer.alloc(127_500)]))).toBe(3)
})

test('M9: whatever else is heard counts as the slowest sound of its size', () => {
  expect(soundSeconds(Buffer.alloc(60_000))).toBe(60)
  // With a voice note inside, too.
  expect(soundSeconds(Buffer.concat([Buffer.alloc(60_000), head]))).toBe(61)
  expect(soundSeconds(Buffer.alloc(0))).toBe(1)
})
