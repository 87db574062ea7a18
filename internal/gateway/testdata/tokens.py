"""Prints the tokens that the AWS CLI and botocore make of the keys and the time of token_test.go."""
import base64
import datetime

import botocore.auth
import botocore.session
from botocore.config import Config
from awscli.customizations import codecommit
from awscli.customizations.eks.get_token import TokenGenerator, STSClientFactory

NOW = datetime.datetime(2026, 3, 14, 9, 26, 53)
for module in (botocore.auth, codecommit):
    module.get_current_datetime = lambda remove_tzinfo=True: NOW
session = botocore.session.get_session()
session.set_credentials("ASIAREAL", "real secret", "real token")

sts = STSClientFactory(session).get_sts_client(region_name="eu-west-1")
print("eks", base64.urlsafe_b64decode(TokenGenerator(sts).get_token("production")[len("k8s-aws-v1."):] + "==").decode())

rds = session.create_client("rds", region_name="eu-west-1")
print("rds", rds.generate_db_auth_token("orders.c1a2b3c4d5e6.eu-west-1.rds.amazonaws.com", 5432, "app@x", "eu-west-1"))

get = codecommit.CodeCommitGetCommand(session)
signed = get.sign_request("eu-west-1", "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/orders")
print("codecommit", signed)

s3 = session.create_client("s3", region_name="eu-west-1", endpoint_url="https://s3.eu-west-1.amazonaws.com",
                           config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
for method, key in (("get_object", "2026/march +ü%.csv"), ("put_object", "a//b")):
    print(method, s3.generate_presigned_url(method, {"Bucket": "reports", "Key": key}, ExpiresIn=300))
