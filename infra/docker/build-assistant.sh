#!/usr/bin/env bash
# Builds the image that assistants run in, with the OpenClaw release that host-agent/openclaw pins and the browser tool
# that infra/docker/browser pins.
#   infra/docker/build-assistant.sh [TAG]     default: yourclaw-openclaw:latest
# BASE_IMAGE names another base; NODE_EXTRA_CA_CERTS is used for the npm registry and stays out of the image.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tag=${1:-yourclaw-openclaw:latest}

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "$here"/assistant/* "$context"
mkdir "$context"/{openclaw-pin,browser-pin,extra-ca}
cp "$here"/../../host-agent/openclaw/package{,-lock}.json "$context/openclaw-pin"
cp "$here"/browser/package{,-lock}.json "$context/browser-pin"
cp "${NODE_EXTRA_CA_CERTS:-/dev/null}" "$context/extra-ca/host.pem"

docker build --quiet --tag "$tag" ${BASE_IMAGE:+--build-arg BASE_IMAGE="$BASE_IMAGE"} "$context" >/dev/null
docker image inspect --format '{{index .RepoTags 0}} {{.Id}} {{.Size}} bytes' "$tag"
"$here/measure-assistant.sh" "$tag"
