#!/usr/bin/env bash
# A Docker Engine and the images that tests need, on a machine of CI: Debian, root, no image registry.
#   tools/ci/docker.sh start STATE_DIR    installs what is missing, starts an engine unless one answers, builds images
#   tools/ci/docker.sh stop STATE_DIR     stops the engine that it started, and no other
set -euo pipefail
cd "$(dirname "$0")/../.."
command=${1:?start or stop}
state=${2:?a directory to keep the pid file and the log of the engine in}
pid_file=$state/dockerd.pid

answers() { docker version >/dev/null 2>&1; }

install_missing() {
  local missing=()
  command -v dockerd >/dev/null || missing+=(docker.io)
  command -v iptables >/dev/null || missing+=(iptables)
  command -v ip >/dev/null || missing+=(iproute2)
  command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
  command -v busybox >/dev/null || missing+=(busybox-static)
  command -v curl >/dev/null || missing+=(curl)
  [ ${#missing[@]} -eq 0 ] && return
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

start_engine() {
  answers && return
  mkdir -p "$state"
  # It outlives this script, and so must not hold what the caller has open, such as a lock.
  (
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    exec setsid nohup dockerd --pidfile "$pid_file"
  ) >"$state/dockerd.log" 2>&1 </dev/null &
  for _ in $(seq 150); do
    answers && return
    sleep 0.2
  done
  tail -20 "$state/dockerd.log" >&2
  return 1
}

case $command in
start)
  install_missing
  start_engine
  # What did not change comes from the engine's cache.
  infra/docker/build-test-gateway.sh
  infra/docker/local-base.sh
  infra/docker/build-assistant.sh
  ;;
stop)
  [ -f "$pid_file" ] || exit 0
  pid=$(cat "$pid_file")
  kill "$pid" 2>/dev/null || exit 0
  for _ in $(seq 150); do
    kill -0 "$pid" 2>/dev/null || exit 0
    sleep 0.2
  done
  exit 1
  ;;
*)
  echo "unknown command $command" >&2
  exit 2
  ;;
esac
