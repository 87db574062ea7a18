#!/usr/bin/env bash
# Builds the Terraform provider and puts it where terraform init and tofu init look
# before they ask a registry:
#
#   ~/.terraform.d/plugins/REGISTRY/rolebroker/rolebroker/VERSION/OS_ARCH
#
# Both look there, each below the name of its own registry. A lock file has the hash of
# a version, so a version is never built twice: its last number is the time of the
# commit or, with changes that are not committed, the time of now. It is no
# pre-release, because a configuration without a version would not take one. Earlier
# versions stay for the lock files that have them.
set -euo pipefail
cd "$(dirname "$0")/../terraform"

# version prints MAJOR.MINOR of the last tag and the time, or the tag of the commit itself.
version() {
  local tag
  if tag=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null) && clean; then
    echo "${tag#v}"
    return
  fi
  tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || echo v0.0.0)
  tag=${tag#v}
  local minor=${tag#*.}
  echo "${tag%%.*}.${minor%%.*}.$(build_time)"
}

clean() { [ -z "$(git status --porcelain -- .. 2>/dev/null || echo unknown)" ]; }

build_time() {
  if clean; then git log -1 --format=%ct; else date +%s; fi
}

version=${VERSION:-$(version)}
platform=$(go env GOOS)_$(go env GOARCH)
built=$(mktemp)
trap 'rm -f "$built"' EXIT
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$built" .

for registry in registry.terraform.io registry.opentofu.org; do
  folder=$HOME/.terraform.d/plugins/$registry/rolebroker/rolebroker/$version/$platform
  name=terraform-provider-rolebroker_v$version
  mkdir -p "$folder"
  # A rename, because a provider that runs cannot be written to.
  install -m 0755 "$built" "$folder/.$name"
  mv -f "$folder/.$name" "$folder/$name"
done
echo "installed version $version for terraform init and tofu init"
echo "a folder that has used another version takes it with: terraform init -upgrade"
