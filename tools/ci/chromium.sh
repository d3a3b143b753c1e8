#!/usr/bin/env bash
# Makes sure that there is a Chromium for the browser tests, from Debian's packages (as root). Nothing to do where there is one.
set -euo pipefail

if [ -x "${CHROMIUM_PATH:-/usr/bin/chromium}" ]; then
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends chromium >/dev/null
