# What an agent does with SQS, in the protocol that the argument names: json, or query, which old SDKs speak.
import sys
import boto3, botocore.session, botocore.loaders

if sys.argv[1] == "query":
    load = botocore.loaders.Loader.load_service_model

    def with_query(self, service, kind, *args, **more):
        model = load(self, service, kind, *args, **more)
        if service == "sqs" and kind == "service-2":
            model["metadata"].update({"protocol": "query", "protocols": ["query"]})
            for name, operation in model["operations"].items():
                if "output" in operation:
                    operation["output"]["resultWrapper"] = name + "Result"
            for shape in model["shapes"].values():
                if shape["type"] == "list":
                    shape["flattened"] = True
                    shape["member"]["locationName"] = shape["member"]["shape"]
        return model

    botocore.loaders.Loader.load_service_model = with_query
sqs = boto3.client("sqs")
url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
text = "a message & more: ü 日本 <x>\n"
sqs.send_message(QueueUrl=url, MessageBody=text)
got = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
assert [m["Body"] for m in got] == [text], got
sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
assert not sqs.receive_message(QueueUrl=url).get("Messages")
sent = sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": "m%d" % i} for i in range(3)])
assert len(sent["Successful"]) == 3, sent
print("done")
