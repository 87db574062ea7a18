#!/bin/sh
# A client with the AWS CLI, whose command is in AWS_CLI. sdk_test.go describes what
# clients do.
set -eu

for profile in "$@"; do
  if [ "$profile" = wait ]; then
    echo waiting
    read -r _
    continue
  fi
  region=$(printenv AWS_REGION || $AWS_CLI configure get region ${profile:+--profile "$profile"})
  arn=$($AWS_CLI sts get-caller-identity --query Arn --output text ${profile:+--profile "$profile"})
  echo "$region $arn"
done
