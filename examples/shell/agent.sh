#!/bin/sh
# An agent that says who it is in AWS, once for each role it was told to use.
#
#	rolebroker exec -- ./agent.sh deployer
set -eu

arn() { aws sts get-caller-identity --query Arn --output text "$@"; }

echo "by default: $(arn)"
for role in "$@"; do
  echo "$role: $(arn --profile "$role")"
done
