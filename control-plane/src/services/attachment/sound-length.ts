/** The slowest that MP3 knows, 8 kbit/s: of what is not measured, a byte counts as if it were that. */
const slowestBytesPerSecond = 1_000

/** The most that Opus knows, 510 kbit/s: whatever its packets look like, no sound is shorter than its size takes. */
const fastestBytesPerSecond = 63_750

/**
 * How long a sound is at most, in whole seconds, and never less than one. Voice notes (Opus in Ogg) are measured by what
 * a decoder would play, since lengths in headers, and what a message says of its own, are their sender's word; everything
 * else by its size.
 */
export function soundSeconds(bytes: Uint8Array): number {
  const ms = opusMs(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const bySize = (bytesPerSecond: number) => bytes.length / bytesPerSecond
  const seconds =
    ms === undefined ? bySize(slowestBytesPerSecond) : Math.max(ms / 1_000, bySize(fastestBytesPerSecond))
  return Math.max(1, Math.ceil(seconds))
}

/**
 * Pages of Ogg (RFC 3533), whose segments make packets; a packet of Opus says how long it is (RFC 6716). Whatever begins
 * like a page counts as one, wherever it is: a decoder finds the next one by its checksum, so none may hide behind another.
 */
function opusMs(bytes: Buffer): number | undefined {
  let isOpus = false
  let ms = 0
  // Pages that do not overlap have fewer segments than bytes.
  let segments = bytes.length
  // What begins otherwise is played as something else, whatever it holds.
  for (
    let at = bytes.indexOf('OggS') === 0 ? 0 : -1;
    at >= 0 && ms < longestMs;
    at = bytes.indexOf('OggS', at + 4)
  ) {
    const table = bytes.subarray(at + 27, at + 27 + (bytes[at + 26] ?? 0))
    segments -= table.length
    if (segments < 0) return longestMs
    let end = at + 27 + table.length
    // Of a packet, where it begins; what began on the page before was counted there.
    let start = ((bytes[at + 5] ?? 0) & 1) === 1 ? undefined : end
    for (const length of table) {
      const begins = start === end && length > 0
      end += length
      if (begins && start !== undefined) {
        const packet = bytes.subarray(start, Math.min(end, start + 8))
        if (packet.equals(opusHead)) isOpus = true
        ms += packet.subarray(0, 4).equals(opusMark) ? 0 : packetMs(packet)
      }
      if (length < 255) start = end
    }
  }
  return isOpus ? ms : undefined
}

const opusHead = Buffer.from('OpusHead')
/** Of its two headers. */
const opusMark = opusHead.subarray(0, 4)
const longestPacketMs = 120
/** Nobody listens to as much. */
const longestMs = 86_400_000

/** @see https://www.rfc-editor.org/rfc/rfc6716#section-3.1 */
function packetMs(packet: Buffer): number {
  const [toc = 0, counted = 0] = packet
  const frames = [1, 2, 2, counted & 63][toc & 3] ?? 1
  return Math.min(longestPacketMs, frames * frameMs(toc >> 3))
}

function frameMs(config: number): number {
  if (config < 12) return [10, 20, 40, 60][config & 3] ?? 60
  if (config < 16) return [10, 20][config & 1] ?? 20
  return [2.5, 5, 10, 20][config & 3] ?? 20
}
