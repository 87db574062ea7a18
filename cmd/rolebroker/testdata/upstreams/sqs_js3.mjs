// What an agent does with SQS, by the SDK for JavaScript 3. Without the setting it sends requests to the host in a queue's
// URL, and not to the endpoint.
import assert from "node:assert";
import { SQS } from "@aws-sdk/client-sqs";

const sqs = new SQS({ useQueueUrlAsEndpoint: false });
const text = "a message & more: ü 日本 <x>\n";

const { QueueUrl } = await sqs.createQueue({ QueueName: "js3" });
await sqs.sendMessage({ QueueUrl, MessageBody: text });
const { Messages } = await sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 5 });
assert.deepEqual(Messages.map((m) => m.Body), [text]);
await sqs.deleteMessage({ QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle });
console.log("done");
