"""An agent that says who it is in AWS, once for each role it was told to use.

    rolebroker exec -- python3 agent.py deployer
"""
import os
import sys

import boto3


def introduce(role):
    session = boto3.Session(profile_name=role)  # None is the default role
    # boto3 reads AWS_ENDPOINT_URL by itself since 1.28.
    sts = session.client("sts", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
    print(f"{role or 'by default'}: {sts.get_caller_identity()['Arn']}")


for role in [None, *sys.argv[1:]]:
    introduce(role)
