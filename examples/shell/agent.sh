#!/bin/sh
# An agent that says who it is in AWS, once for each role it was told to use.
#
#	rolebroker exec -- ./agent.sh deployer
set -eu

# An assignment fails with its command, so that set -e ends the script.
introduce() {
  name=$1
  shift
  arn=$(aws sts get-caller-identity --query Arn --output text "$@")
  echo "$name: $arn"
}

introduce "by default"
for role in "$@"; do
  introduce "$role" --profile "$role"
done
