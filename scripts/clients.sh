#!/usr/bin/env bash
# Runs the tests of docs/clients.md with the newest rclone, which takes minutes to build
# from its Go module, in place of the installed one. Then write the version and the
# month into docs/clients.md.
#
#	scripts/clients.sh
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOBIN=$bin CGO_ENABLED=0 go install -trimpath github.com/rclone/rclone@latest
PATH=$bin:$PATH go test ./cmd/rolebroker -count 1 -v \
  -run '^(TestTheTableOfClientsIsTrue|TestCommandsOfClientsInTheDocs)$' | grep -- '--- \|^ok\|^FAIL'
"$bin/rclone" version | sed -n 1p
