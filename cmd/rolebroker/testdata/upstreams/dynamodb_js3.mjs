// What an agent does with DynamoDB, by the SDK for JavaScript 3.
import assert from "node:assert";
import { DynamoDB, waitUntilTableExists } from "@aws-sdk/client-dynamodb";

const client = new DynamoDB({});
const TableName = "js3", id = { S: "ü" }, raw = { B: Uint8Array.from({ length: 256 }, (_, i) => i) };

await client.createTable({ TableName, BillingMode: "PAY_PER_REQUEST",
  KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
  AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }] });
await waitUntilTableExists({ client, minDelay: 1, maxDelay: 1, maxWaitTime: 60 }, { TableName });
await client.putItem({ TableName, Item: { id, raw } });
assert.deepEqual((await client.getItem({ TableName, Key: { id } })).Item, { id, raw });
await assert.rejects(client.putItem({ TableName, Item: { id }, ConditionExpression: "attribute_not_exists(id)" }),
  { name: "ConditionalCheckFailedException" });
assert.equal((await client.scan({ TableName })).Count, 1);
console.log("done");
