import pLimit from 'p-limit'
import sharp from 'sharp'

/** Decoded, a picture of so many pixels takes some 150 MB. */
const maxPixels = 50_000_000
/** What models look at: they make larger ones smaller themselves. */
const longestSide = 1_568
const smallBytes = 1024 * 1024
const asTheyAre = new Set(['jpeg', 'png', 'webp'])

/** Decoding takes memory and a core, whoever sent the picture. */
const inTurn = pLimit(2)
sharp.cache(false)

export type Picture =
  | { bytes: Buffer; mimeType: string }
  | { code: 'picture_too_large' | 'picture_unreadable' }

/**
 * A picture as a model is shown it. Its header is read first, so that one that is small as a file and huge as a picture is
 * never unpacked; of one that moves the first frame counts.
 */
export function preparePicture(bytes: Buffer): Promise<Picture> {
  return inTurn(async () => {
    try {
      const options = {
        limitInputPixels: maxPixels,
        sequentialRead: true,
        failOn: 'error',
        pages: 1,
      } as const
      const { width = 0, height = 0, format = '', pages = 1 } = await headerOf(bytes)
      if (width * height > maxPixels) return { code: 'picture_too_large' }
      const isSmall = Math.max(width, height) <= longestSide && bytes.length <= smallBytes
      if (isSmall && asTheyAre.has(format) && pages === 1) return { bytes, mimeType: `image/${format}` }
      const smaller = await sharp(bytes, options)
        .rotate()
        .resize({ width: longestSide, height: longestSide, fit: 'inside', withoutEnlargement: true })
        .flatten({ background: '#ffffff' })
        .jpeg({ quality: 82 })
        .toBuffer()
      return { bytes: smaller, mimeType: 'image/jpeg' }
    } catch {
      return { code: 'picture_unreadable' }
    }
  })
}

/** Of the header alone: how large the picture would be. */
const headerOf = (bytes: Buffer) => sharp(bytes, { limitInputPixels: false }).metadata()
