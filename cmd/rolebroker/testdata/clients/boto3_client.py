"""A client with boto3. sdk_test.go describes what clients do."""
import os
import sys

import boto3

for profile in sys.argv[1:]:
    if profile == "wait":
        print("waiting", flush=True)
        sys.stdin.readline()
        continue
    session = boto3.Session(profile_name=profile or None)
    sts = session.client("sts", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
    print(sts.meta.region_name, sts.get_caller_identity()["Arn"], flush=True)
