import fc from 'fast-check'

/** Markdown as a model might write it, well formed or not. Tests of every channel's format share it. */
export const markdown = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...[
          '**',
          '*',
          '_',
          '`',
          '```\n',
          '\n',
          '\n\n',
          '# ',
          '- ',
          '> ',
          '[a](https://x.test)',
          '<b>',
          '&',
          '~~',
        ],
        ...['😀', '| a |'],
      ),
      fc.string({ unit: 'grapheme' }),
      fc.lorem({ maxCount: 400 }),
    ),
    { maxLength: 60 },
  )
  .map((pieces) => pieces.join(''))

/** Short to write and, for a backtracking parser, minutes to read. */
export const slowToParse = [
  '_a_ _'.repeat(20_000),
  '**a'.repeat(20_000),
  '> '.repeat(10_000),
  '[a]('.repeat(15_000),
]
