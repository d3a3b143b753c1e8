#!/usr/bin/env bash
# What tests of installing and deploying need beside an engine (docker.sh), on a machine of CI: Debian, root.
set -euo pipefail

missing=()
command -v ansible-playbook >/dev/null || missing+=(ansible-core)
command -v ansible-lint >/dev/null || missing+=(ansible-lint)
command -v docker-compose >/dev/null || missing+=(docker-compose)
command -v ssh >/dev/null || missing+=(openssh-client)
[ ${#missing[@]} -eq 0 ] && exit
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" libatomic1 >/dev/null
