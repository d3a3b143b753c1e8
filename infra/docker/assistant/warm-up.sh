# Runs a gateway until it is ready, so that Node's compile cache holds what a start loads.
set -eu
export HOME=/tmp/warm-up
mkdir -p "$HOME/.openclaw"
cat >"$HOME/.openclaw/openclaw.json" <<'CONFIG'
{
  "gateway": { "mode": "local", "auth": { "mode": "token", "token": "warm-up" }, "controlUi": { "enabled": false } },
  "update": { "checkOnStart": false },
  "discovery": { "mdns": { "mode": "off" } }
}
CONFIG
/opt/openclaw/bin/openclaw gateway --port 18789 --bind loopback >"$HOME/log" 2>&1 &
gateway=$!
node -e '
  const deadline = Date.now() + 120_000
  const look = () => fetch("http://127.0.0.1:18789/readyz").then(({ ok }) => ok, () => false).then((ready) => {
    if (ready) return
    if (Date.now() > deadline) process.exit(1)
    setTimeout(look, 200)
  })
  look()
' || { cat "$HOME/log"; exit 1; }
kill -TERM "$gateway"
wait "$gateway" || true
rm -rf "$HOME"
chmod -R a+rX /opt/openclaw/compile-cache

# The browser's server says what it can do, and ends with its input.
echo '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"warm-up","version":"1"}}}' |
  /opt/browser/bin/playwright-mcp | grep -q serverInfo
chmod -R a+rX /opt/browser/compile-cache
