#!/usr/bin/env bash
# Starts an image once as an assistant's container is started, and prints how long it took to /readyz and what it then
# holds in memory when idle.
#   infra/docker/measure-assistant.sh [TAG]     default: yourclaw-openclaw:latest
set -euo pipefail
tag=${1:-yourclaw-openclaw:latest}
config=$(mktemp)
trap 'rm -f "$config"; docker rm --force "${container:-none}" >/dev/null 2>&1 || true' EXIT
cat >"$config" <<'CONFIG'
{
  "gateway": { "mode": "local", "auth": { "mode": "token", "token": "measure" }, "controlUi": { "enabled": false } },
  "update": { "checkOnStart": false },
  "discovery": { "mdns": { "mode": "off" } }
}
CONFIG
chmod 644 "$config"

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

began=$(milliseconds)
container=$(docker run --detach --init --read-only --cap-drop ALL --security-opt no-new-privileges --memory 2g --cpus 1 \
  --pids-limit 512 --tmpfs /tmp:rw,nosuid,nodev,size=256m,mode=1777 \
  --tmpfs /home/assistant:rw,uid=1000,gid=1000 --tmpfs /workspace:rw,uid=1000,gid=1000 \
  --volume "$config:/etc/openclaw/openclaw.json:ro" \
  --env OPENCLAW_NIX_MODE=1 --env OPENCLAW_CONFIG_PATH=/etc/openclaw/openclaw.json \
  --env OPENCLAW_STATE_DIR=/home/assistant/.openclaw "$tag")
address=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$container")
until curl --silent --fail --max-time 2 --output /dev/null "http://$address:18789/readyz"; do
  if [ $(($(milliseconds) - began)) -gt 90000 ]; then
    docker logs "$container" >&2
    exit 1
  fi
  sleep 0.1
done
echo "docker run to /readyz: $(($(milliseconds) - began)) ms"
# What a start leaves to the collector is gone by then.
sleep 10
echo "idle: $(docker stats --no-stream --format '{{.MemUsage}}' "$container")"
