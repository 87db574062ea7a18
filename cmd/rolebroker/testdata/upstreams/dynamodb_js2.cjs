// What an agent does with DynamoDB, by the SDK for JavaScript 2, which has to be told the endpoint.
const assert = require("node:assert");
const AWS = require("aws-sdk");

const db = new AWS.DynamoDB({ endpoint: process.env.AWS_ENDPOINT_URL });
const TableName = "js2", id = { S: "ü" }, raw = { B: Buffer.from("00ff80", "hex") };

(async () => {
  await db.createTable({ TableName, BillingMode: "PAY_PER_REQUEST",
    KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }] }).promise();
  await db.waitFor("tableExists", { TableName, $waiter: { delay: 1 } }).promise();
  await db.putItem({ TableName, Item: { id, raw } }).promise();
  assert.deepEqual((await db.getItem({ TableName, Key: { id } }).promise()).Item, { id, raw });
  console.log("done");
})();
