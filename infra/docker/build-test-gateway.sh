#!/usr/bin/env bash
# Builds yourclaw-test-gateway:latest from the machine's own static busybox (Debian: busybox-static).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "$here"/test-gateway/* "$(command -v busybox)" "$context"
docker build --quiet --tag yourclaw-test-gateway:latest "$context" >/dev/null
docker image inspect --format '{{index .RepoTags 0}} {{.Size}} bytes' yourclaw-test-gateway:latest
