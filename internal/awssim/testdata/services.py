"""Runs calls of S3, DynamoDB and EC2 against an endpoint and prints their outcomes as JSON.

Arguments: the endpoint, then pairs of a name and "key:secret:token". Each pair tries the same calls.
"""

import io
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ONCE = Config(retries={"total_max_attempts": 1})


def clients(endpoint, credentials):
    key, secret, token = credentials.split(":", 2)
    session = boto3.Session(key, secret, token or None, region_name="eu-west-1")
    return [session.client(s, endpoint_url=endpoint, config=ONCE) for s in ("s3", "dynamodb", "ec2")]


def calls(s3, dynamodb, ec2):
    key = {"id": {"S": "1"}}
    return {
        "list buckets": lambda: [b["Name"] for b in s3.list_buckets()["Buckets"]],
        "list objects": lambda: [o["Key"] for o in s3.list_objects_v2(Bucket="reports")["Contents"]],
        "folders": lambda: [p["Prefix"] for p in s3.list_objects_v2(Bucket="reports", Delimiter="/")["CommonPrefixes"]],
        "pages": lambda: [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket="reports", PaginationConfig={"PageSize": 1}) for o in page["Contents"]],
        "get object": lambda: s3.get_object(Bucket="reports", Key="a b/ü+1.txt")["Body"].read().decode(),
        "range": lambda: s3.get_object(Bucket="reports", Key="plain", Range="bytes=1-2")["Body"].read().decode(),
        "get missing": lambda: s3.get_object(Bucket="reports", Key="missing"),
        "put object": lambda: s3.put_object(Bucket="reports", Key="new", Body=io.BytesIO(b"x" * 70000))["ETag"],
        "copy object": lambda: s3.copy_object(Bucket="reports", Key="copy", CopySource="reports/plain")["CopyObjectResult"][
            "ETag"],
        "delete object": lambda: s3.delete_object(Bucket="reports", Key="new")["ResponseMetadata"]["HTTPStatusCode"],
        "delete objects": lambda: [e["Code"] for e in s3.delete_objects(
            Bucket="reports", Delete={"Objects": [{"Key": "copy"}], "Quiet": True}).get("Errors", [])],
        "multipart": lambda: s3.create_multipart_upload(Bucket="reports", Key="parts"),
        "list tables": lambda: dynamodb.list_tables()["TableNames"],
        "delete item": lambda: dynamodb.delete_item(TableName="jobs", Key=key) and "ok",
        "put item": lambda: dynamodb.put_item(TableName="jobs", Item={**key, "state": {"S": "new"}}) and "ok",
        "get item": lambda: dynamodb.get_item(TableName="jobs", Key=key)["Item"]["state"]["S"],
        "scan": lambda: dynamodb.scan(TableName="jobs")["Count"],
        "condition": lambda: dynamodb.put_item(TableName="jobs", Item=key, ConditionExpression="attribute_not_exists(id)"),
        "regions": lambda: [r["RegionName"] for r in ec2.describe_regions()["Regions"]],
        "run": lambda: len(ec2.run_instances(ImageId="ami-1", MinCount=2, MaxCount=2)["Instances"]),
        "instances": lambda: len(ec2.describe_instances()["Reservations"][0]["Instances"]),
        "dry run": lambda: ec2.terminate_instances(InstanceIds=["i-0"], DryRun=True),
        "terminate": lambda: [i["CurrentState"]["Name"] for i in ec2.terminate_instances(
            InstanceIds=[ec2.describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"]])["TerminatingInstances"]],
    }


def outcome(call):
    try:
        return call()
    except ClientError as e:
        return e.response["Error"]["Code"] + ": " + e.response["Error"]["Message"]


endpoint, rest = sys.argv[1], sys.argv[2:]
outcomes = {}
for name, credentials in zip(rest[::2], rest[1::2]):
    s3, dynamodb, ec2 = clients(endpoint, credentials)
    if name == "admin":
        s3.create_bucket(Bucket="reports", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_object(Bucket="reports", Key="a b/ü+1.txt", Body="grüezi".encode())
        s3.put_object(Bucket="reports", Key="plain", Body=b"0123")
        dynamodb.create_table(TableName="jobs", BillingMode="PAY_PER_REQUEST",
                              KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                              AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    outcomes[name] = {call: outcome(run) for call, run in calls(s3, dynamodb, ec2).items()}
json.dump(outcomes, sys.stdout)
