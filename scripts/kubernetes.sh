#!/usr/bin/env bash
# Builds the programs for the Kubernetes tests from their Go modules into bin:
# kube-apiserver, kubectl and Helm. Installs Debian's etcd. The first build takes
# some minutes; later ones use Go's build cache.
#
#	scripts/kubernetes.sh            build and install
#	scripts/kubernetes.sh --check    only print what is missing
set -euo pipefail
cd "$(dirname "$0")/.."

module=internal/kubetest/programs
programs="kube-apiserver kubectl helm"

have() { command -v "$1" >/dev/null 2>&1; }

# missing lists the programs that are missing, or older than their versions.
missing() {
  local program
  for program in $programs; do
    [ "bin/$program" -nt $module/go.mod ] || echo "bin/$program"
  done
  have etcd || echo etcd
}

build() {
  local kubernetes
  kubernetes=$(cd $module && go list -m -f '{{.Version}}' k8s.io/kubernetes)
  IFS=. read -r major minor _ <<<"${kubernetes#v}"
  local version=k8s.io/component-base/version
  mkdir -p bin
  echo "setup: building Kubernetes $kubernetes's API server and kubectl, and Helm"
  (
    cd $module
    go mod tidy -diff
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -o ../../../bin/ \
      -ldflags "-s -w -X $version.gitVersion=$kubernetes -X $version.gitMajor=$major -X $version.gitMinor=$minor" tool
  )
  # go build does not write a program that has not changed.
  for program in $programs; do touch "bin/$program"; done
}

if [ "${1:-}" = --check ]; then
  absent=$(missing | tr '\n' ' ')
  if [ -n "$absent" ]; then
    echo "setup: THE KUBERNETES TESTS WILL BE SKIPPED, because these are missing: $absent" >&2
    echo "setup: make kubernetes builds them, and so does CI=true make test" >&2
  fi
  exit 0
fi

if ! have etcd; then
  if ! have apt-get || [ "$(id -u)" != 0 ]; then
    echo "setup: etcd is needed; on Debian:" \
      "sudo apt-get update && sudo apt-get install -y --no-install-recommends etcd-server" >&2
    exit 1
  fi
  echo "setup: installing etcd-server"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends etcd-server
fi
if missing | grep -q .; then
  build
fi
