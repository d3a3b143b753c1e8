import { crc32, deflateSync } from 'node:zlib'

/** A real 32 × 32 PNG in one colour. */
export function samplePhoto(): Buffer {
  const side = 32
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(side * 3, Buffer.from([240, 90, 60]))])
  const pixels = deflateSync(Buffer.concat(Array.from({ length: side }, () => row)))
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10])
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}

/** The beginning of an MP4, which is all that a program that keeps it looks at. */
export function sampleVideo(): Buffer {
  const type = Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0mp42isom', 'latin1')
  return Buffer.concat([type, Buffer.from('\0\0\0\x10mdat', 'latin1'), Buffer.alloc(8)])
}

/** A real Ogg Opus voice note: one second of silence in 20 ms packets. */
export function sampleVoice(): Buffer {
  const head = Buffer.from('OpusHead\x01\x01\x00\x00\x80\xbb\x00\x00\x00\x00\x00', 'latin1')
  const tags = Buffer.from('OpusTags\x07\x00\x00\x00sandbox\x00\x00\x00\x00', 'latin1')
  const silence = Array.from({ length: 50 }, () => Buffer.from([0xf8, 0xff, 0xfe]))
  return Buffer.concat([page(2, 0, 0, [head]), page(0, 0, 1, [tags]), page(4, 48_000, 2, silence)])
}

/** One Ogg page; every packet is shorter than 255 bytes, so each is one segment. */
function page(flags: number, granule: number, sequence: number, packets: Buffer[]): Buffer {
  const header = Buffer.alloc(27)
  header.write('OggS', 'latin1')
  header[5] = flags
  header.writeBigUInt64LE(BigInt(granule), 6)
  header.writeUInt32LE(1, 14)
  header.writeUInt32LE(sequence, 18)
  header[26] = packets.length
  const whole = Buffer.concat([header, Buffer.from(packets.map((packet) => packet.length)), ...packets])
  whole.writeUInt32LE(oggChecksum(whole), 22)
  return whole
}

/** Ogg's CRC is not reflected, unlike the one in zlib. */
function oggChecksum(bytes: Buffer): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 24
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1
  }
  return crc >>> 0
}
