import { mkdirSync } from 'node:fs'
import path from 'node:path'
import axe from 'axe-core'
import type { Page } from 'playwright-core'

/** Of pages as tests leave them: what git ignores, people look at. */
export const screenshots = path.resolve(import.meta.dirname, '../../../screenshots')
mkdirSync(screenshots, { recursive: true })

export const looks = (['light', 'dark'] as const).flatMap((colorScheme) =>
  (['desktop', 'phone'] as const).map((viewport) => ({ colorScheme, viewport })),
)

/** In the browser: how far the page can be scrolled sideways. */
export const overflow = 'document.documentElement.scrollWidth - innerWidth'

interface AxeViolation {
  id: string
  nodes: { html: string }[]
}

/** What axe finds wrong with a page, and where. */
export async function violationsOn(page: Page): Promise<{ id: string; at: string[] }[]> {
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: AxeViolation[] }> } }
    const found = await axe.run()
    return found.violations.map(({ id, nodes }) => ({ id, at: nodes.map(({ html }) => html.slice(0, 200)) }))
  })
}
