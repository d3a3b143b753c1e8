/**
 * Google's tag, fetched only when this is called: after consent. The address of a page is told without its query,
 * which may carry what is nobody's business.
 */
export function startAnalytics(measurementId: string): (path: string) => void {
  const layer: unknown[] = []
  Object.assign(window, { dataLayer: layer })
  // gtag.js tells its own entries by being `arguments` objects.
  function gtag(..._: unknown[]) {
    // biome-ignore lint/complexity/noArguments: see above
    layer.push(arguments)
  }
  gtag('js', new Date())
  gtag('config', measurementId, { send_page_view: false })
  const script = document.createElement('script')
  script.async = true
  script.src = `https://www.googletagmanager.com/gtag/js?id=${encodeURIComponent(measurementId)}`
  document.head.append(script)
  return (path) => gtag('event', 'page_view', { page_location: location.origin + path })
}
