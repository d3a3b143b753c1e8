import { render } from 'svelte/server'
import { shortDay, unitPrice } from '#lib/format.ts'
import type { Usage } from '#lib/server/api/views.ts'
import DayChart from './DayChart.svelte'

const shownDays = 14
const whole = (value: number) => (Number.isInteger(value) ? String(value) : '')

/** The last two weeks of what there is, days without anything among them, as SVG that needs no script. */
export function drawCharts(days: Usage['days']): { title: string; colour: string; svg: string }[] {
  if (days.length === 0) return []
  const known = new Map(days.map((day) => [day.date, day]))
  const last = Date.parse([...known.keys()].sort().at(-1) ?? '')
  const shown = Array.from({ length: shownDays }, (_, index) => {
    const date = new Date(last - (shownDays - 1 - index) * 86_400_000).toISOString().slice(0, 10)
    const { inbound = 0, outbound = 0, costMicros = 0 } = known.get(date) ?? {}
    return { day: shortDay(date), messages: inbound + outbound, costMicros }
  })
  const rows = (key: 'messages' | 'costMicros') => shown.map((row) => ({ day: row.day, value: row[key] }))
  return [
    {
      title: 'Messages a day',
      colour: 'fill-brand',
      svg: draw({ rows: rows('messages'), least: 4, format: whole }),
    },
    {
      title: 'Cost a day',
      colour: 'fill-coral',
      svg: draw({ rows: rows('costMicros'), least: 20_000, format: unitPrice }),
    },
  ]
}

/** The picture alone: what layerchart puts around it is for scripts, and the policy refuses its style attributes. */
function draw(props: Parameters<typeof DayChart>[1]): string {
  const { body } = render(DayChart, { props })
  const svg = body.slice(body.indexOf('<svg'), body.lastIndexOf('</svg>') + '</svg>'.length)
  return svg.replaceAll(/<!--.*?-->| style="[^"]*"/g, '')
}
