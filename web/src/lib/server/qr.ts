import { encode } from 'uqr'

/** A QR code as the path of an SVG, one square unit a module, with the quiet zone that scanners want. */
export function qrOf(text: string): { size: number; path: string } {
  const { data, size } = encode(text, { border: 3, ecc: 'M' })
  const path = data
    .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : '')))
    .filter(Boolean)
    .join('')
  return { size, path }
}
