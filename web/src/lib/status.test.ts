import { describe, expect, it } from 'vitest'
import { checkLabel, clockTime, parseReadiness, parseReport, unreachable } from './status.ts'

const at = new Date('2026-11-23T10:20:30.000Z')

describe('parseReadiness', () => {
  it('keeps the state the API reports and puts failing checks first', () => {
    const report = parseReadiness(
      {
        status: 'degraded',
        checks: {
          database: { ok: true },
          queue: { ok: true },
          hosts: { ok: false, detail: 'none connected' },
        },
      },
      at,
    )
    expect(report).toEqual({
      state: 'degraded',
      checks: [
        { name: 'hosts', ok: false, detail: 'none connected' },
        { name: 'database', ok: true },
        { name: 'queue', ok: true },
      ],
      checkedAt: '2026-11-23T10:20:30.000Z',
    })
  })

  it('accepts fields that were added later', () => {
    const body = { status: 'ready', version: '2', checks: { database: { ok: true, tookMs: 3 } } }
    expect(parseReadiness(body, at)).toMatchObject({
      state: 'ready',
      checks: [{ name: 'database', ok: true }],
    })
  })

  it.each([
    ['an unknown state', { status: 'fine', checks: {} }],
    ['a missing list of checks', { status: 'ready' }],
    ['a check that is not one', { status: 'ready', checks: { database: 'ok' } }],
    ['text', 'ready'],
    ['nothing', undefined],
  ])('never reports working on %s', (_, body) => {
    const report = parseReadiness(body, at)
    expect(report.state).toBe('unreachable')
    expect(report.reason).toMatch(/not with a health report/)
  })
})

describe('parseReport', () => {
  it('reads back every report the server makes, after JSON', () => {
    const reports = [
      parseReadiness({ status: 'down', checks: { database: { ok: false } } }, at),
      unreachable('Nothing answered.', at),
    ]
    for (const report of reports) expect(parseReport(JSON.parse(JSON.stringify(report)))).toEqual(report)
  })

  it('refuses what is not a report', () => {
    expect(parseReport({ detail: 'Not found', code: 'not_found' })).toBeUndefined()
    expect(parseReport({ state: 'ready', checks: [], checkedAt: 'yesterday' })).toBeUndefined()
  })
})

it('writes a check key as words', () => {
  expect(['queueAge', 'queue_age', 'database', '-'].map(checkLabel)).toEqual([
    'Queue age',
    'Queue age',
    'Database',
    '-',
  ])
})

it('tells the time in UTC', () => {
  expect(clockTime('2026-11-23T10:20:30.000Z')).toBe('10:20:30 UTC')
})
