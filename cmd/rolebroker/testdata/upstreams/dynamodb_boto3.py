# What an agent does with DynamoDB.
import boto3, botocore.exceptions

db = boto3.client("dynamodb")
db.create_table(TableName="jobs", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
db.get_waiter("table_exists").wait(TableName="jobs", WaiterConfig={"Delay": 1})
db.put_item(TableName="jobs", Item={"id": {"S": "ü"}, "n": {"N": "1"}, "text": {"S": "b+c"}, "raw": {"B": b"\x00\xff"}})
got = db.get_item(TableName="jobs", Key={"id": {"S": "ü"}}, ConsistentRead=True)["Item"]
assert got["raw"]["B"] == b"\x00\xff" and got["text"]["S"] == "b+c", got
db.batch_write_item(RequestItems={"jobs": [{"PutRequest": {"Item": {"id": {"S": str(i)}}}} for i in range(25)]})
batch = db.batch_get_item(RequestItems={"jobs": {"Keys": [{"id": {"S": str(i)}} for i in range(25)]}})
assert len(batch["Responses"]["jobs"]) == 25
found = db.query(TableName="jobs", KeyConditionExpression="id = :i", ExpressionAttributeValues={":i": {"S": "7"}})
assert found["Count"] == 1
assert sum(p["Count"] for p in db.get_paginator("scan").paginate(TableName="jobs", PaginationConfig={"PageSize": 10})) == 26
db.update_item(TableName="jobs", Key={"id": {"S": "ü"}}, UpdateExpression="SET n = n + :o",
               ExpressionAttributeValues={":o": {"N": "1"}})
try:
    db.put_item(TableName="jobs", Item={"id": {"S": "ü"}}, ConditionExpression="attribute_not_exists(id)")
    assert False, "the condition holds"
except botocore.exceptions.ClientError as e:
    assert e.response["Error"] == {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}, e.response
print("done")
