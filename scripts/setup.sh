#!/usr/bin/env bash
# Installs what the tests need: PostgreSQL's programs, the AWS CLI, boto3, Node.js
# with the AWS SDKs for JavaScript and axe-core, Chromium with a font, curl, and a
# C compiler for the race detector; where CI is set, also the clients that
# docs/clients.md speaks of and Debian has. It does not install Terraform, but says if it
# is missing. It uses what is installed already, so a second run ends at once.
set -euo pipefail
cd "$(dirname "$0")/.."

oldest_go=1.26 oldest_node=18 oldest_terraform=1.11

have() { command -v "$1" >/dev/null 2>&1; }

# at_least OLDEST VERSION
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# pythons lists the python3 on PATH, and Debian's, for which apt-get installs
# boto3.
pythons() {
  command -v python3 || true
  echo /usr/bin/python3
}

# boto3_version prints the version of the first boto3 found.
boto3_version() {
  local python
  for python in $(pythons); do
    "$python" -c 'import boto3; print(boto3.__version__)' 2>/dev/null && return
  done
  return 1
}

# have_yaml looks for PyYAML, which reads what -o yaml has written.
have_yaml() {
  local python
  for python in $(pythons); do
    "$python" -c 'import yaml' 2>/dev/null && return
  done
  return 1
}

have_node() {
  have node && have npm && at_least "$oldest_node" "$(node --version | tr -d v)"
}

have_postgres() {
  have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

have_chromium() {
  have chromium || have chromium-browser || have google-chrome
}

have_font() {
  [ -n "$(find /usr/share/fonts /usr/local/share/fonts -name '*.[ot]tf' -print -quit 2>/dev/null)" ]
}

# aws_versions lists the major versions of the AWS CLI that are on PATH.
aws_versions() {
  local aws
  { type -ap aws || true; } | sort -u | while read -r aws; do
    "$aws" --version 2>&1 | sed -n 's|^aws-cli/\([0-9]*\)\..*|\1|p'
  done | sort -u
}

# missing lists the Debian packages to install.
missing() {
  have gcc || have clang || echo gcc libc6-dev
  have_postgres || echo postgresql
  have aws || echo awscli
  have curl || echo curl
  boto3_version >/dev/null || echo python3 python3-boto3
  have_yaml || echo python3-yaml
  have_node || {
    have node || echo nodejs
    have npm || echo npm
  }
  have_chromium || echo chromium
  have_font || echo fonts-dejavu-core
  # Without these, tests are skipped; where CI is set, all but those of the AWS CLI 2 fail.
  if [ -n "${CI:-}" ]; then
    # Debian has version 2. Version 1 is tested where something else installed it.
    ! have aws || aws_versions | grep -qx 2 || echo awscli
    have ip || echo iproute2
    have systemd-analyze || echo systemd
    # Clients of docs/clients.md.
    local client
    for client in rclone restic s3cmd s3fs; do
      have "$client" || echo "$client"
    done
  fi
}

install() {
  if ! have apt-get; then
    echo "setup: the tests need the following; your system may have other names for them: $*" >&2
    exit 1
  fi
  if [ "$(id -u)" != 0 ]; then
    echo "setup: the tests need more packages. Run this, and then repeat your command:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $*" >&2
    exit 1
  fi
  echo "setup: installing $*"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "$@"
}

if ! have go; then
  echo "setup: Go $oldest_go or newer is needed: https://go.dev/doc/install" >&2
  exit 1
fi

packages=$(missing | tr '\n' ' ')
if [ -n "$packages" ]; then
  # shellcheck disable=SC2086 # one word per package
  install $packages
fi
if ! have_node; then
  echo "setup: Node.js $oldest_node or newer is needed for the examples and their tests; found $(node --version)" >&2
  exit 1
fi

have_terraform() {
  have terraform && at_least "$oldest_terraform" "$(terraform version | sed -n 's/^Terraform v//p')"
}

# Debian has no package of Terraform.
if ! have_terraform; then
  echo "setup: the tests of the Terraform provider need Terraform $oldest_terraform or newer:" \
    "https://developer.hashicorp.com/terraform/install" >&2
  if [ -n "${CI:-}" ]; then
    exit 1
  fi
  echo "setup: THE TERRAFORM PROVIDER WILL NOT BE TESTED" >&2
fi

# node_modules FOLDER NAME installs the packages of the folder's lock file.
node_modules() {
  local lock=$1/package-lock.json done=$1/node_modules/.package-lock.json
  if [ ! -e "$done" ] || [ "$lock" -nt "$done" ]; then
    echo "setup: installing $2"
    npm ci --prefix "$1" --no-audit --no-fund --loglevel=error
    touch "$done"
  fi
}

node_modules examples/node "the AWS SDKs for JavaScript"
node_modules internal/web/testdata/axe "axe-core"
node_modules cmd/rolebroker/testdata/upstreams "stand-ins for services of AWS"

# Both versions of the AWS CLI are tested, if they are here.
versions=$(aws_versions | tr '\n' ' ')
if [ "$versions" != "1 2 " ]; then
  echo "setup: note: the tests use version ${versions% } of the AWS CLI only"
fi

boto3=$(boto3_version)
if ! at_least 1.34 "$boto3"; then
  echo "setup: note: boto3 before 1.34 (found $boto3) may not support AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;" \
    "it is then tested with the Go and JavaScript SDKs only"
fi
