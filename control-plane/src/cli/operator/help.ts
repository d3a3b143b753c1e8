import { type Command, commands } from './commands.ts'

const program = 'operator'

const synopsis = ({ name, args, takesMany, options = '' }: Command) =>
  [
    program,
    name,
    ...args.map((arg, index) => (takesMany && index === args.length - 1 ? `${arg}…` : arg)),
    options,
  ]
    .filter((part) => part !== '')
    .join(' ')

/** Every command, or those about one thing. */
export function overview(about = ''): string {
  const shown = commands.filter(({ name }) => name.startsWith(`${about} `))
  const listed = shown.length > 0 ? shown : commands
  return [
    ...listed.flatMap((command) => [`  ${synopsis(command)}`, `      ${command.summary}`]),
    '',
    '--json prints the result for programs, --help after a command says more.',
    'USER is an id or an e-mail address.',
  ].join('\n')
}

export const commandHelp = (command: Command) =>
  [`usage: ${synopsis(command)}`, '', command.summary + (command.more ? `\n${command.more}` : '')].join('\n')
