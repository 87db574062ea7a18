#!/usr/bin/env bash
# Builds OpenTofu from its Go module into bin/tofu, and runs the tests of the Terraform
# provider with it. The first build takes some minutes; later ones use Go's build cache.
#
# TestExampleBelowExec is left out: its stand-in for the AWS provider is in the registry of
# Terraform only.
#
#	scripts/opentofu.sh            build, and test
#	scripts/opentofu.sh -run NAME  build, and run some of the tests
set -euo pipefail
cd "$(dirname "$0")/.."

module=terraform/internal/opentofu

if ! [ bin/tofu -nt $module/go.mod ]; then
  version=$(cd $module && go list -m -f '{{.Version}}' github.com/opentofu/opentofu)
  echo "opentofu: building OpenTofu $version"
  mkdir -p bin
  (
    cd $module
    go mod tidy -diff
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -o ../../../bin/ \
      -ldflags "-s -w -X github.com/opentofu/opentofu/version.dev=no" tool
  )
  touch bin/tofu # go build does not write a program that has not changed
fi
bin/tofu version

cd terraform
PATH=$PWD/../bin:$PATH TF_ACC_TERRAFORM_PATH=$PWD/../bin/tofu go test -count 1 -timeout 20m -skip TestExampleBelowExec ./provider "$@"
