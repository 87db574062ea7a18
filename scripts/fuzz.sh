#!/usr/bin/env bash
# Runs each fuzz target for the given time.
#
#	scripts/fuzz.sh 30s
set -euo pipefail
cd "$(dirname "$0")/.."

go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r package dir; do
  cat "$dir"/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' | while read -r target; do
    echo "$package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-30s}" "$package" </dev/null
  done
done
