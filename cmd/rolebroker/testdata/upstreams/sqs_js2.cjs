// What an agent does with SQS, by the SDK for JavaScript 2, which has to be told the endpoint. It sends requests to the host
// in a queue's URL, so that has to be the endpoint's.
const assert = require("node:assert");
const AWS = require("aws-sdk");

const sqs = new AWS.SQS({ endpoint: process.env.AWS_ENDPOINT_URL });
const text = "a message & more: ü 日本 <x>\n";

(async () => {
  const made = await sqs.createQueue({ QueueName: "js2" }).promise();
  const QueueUrl = process.env.AWS_ENDPOINT_URL + new URL(made.QueueUrl).pathname;
  await sqs.sendMessage({ QueueUrl, MessageBody: text }).promise();
  const { Messages } = await sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 5 }).promise();
  assert.deepEqual(Messages.map((m) => m.Body), [text]);
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle }).promise();
  console.log("done");
})();
