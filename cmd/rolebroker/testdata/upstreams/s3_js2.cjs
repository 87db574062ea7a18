// What an agent does with S3, by the SDK for JavaScript 2, which has to be told the endpoint.
const assert = require("node:assert");
const { randomBytes } = require("node:crypto");
const AWS = require("aws-sdk");

const s3 = new AWS.S3({ endpoint: process.env.AWS_ENDPOINT_URL, s3ForcePathStyle: true, signatureVersion: "v4" });
const Bucket = "bucket";

(async () => {
  const big = randomBytes((11 << 20) + 3);
  for (const Key of ["js2/plain", "js2/a dir/k+1", "js2/ü ß"]) {
    await s3.putObject({ Bucket, Key, Body: Key }).promise();
    assert.equal(String((await s3.getObject({ Bucket, Key }).promise()).Body), Key);
  }
  await s3.upload({ Bucket, Key: "js2 upload", Body: big }).promise();
  assert.ok((await s3.getObject({ Bucket, Key: "js2 upload" }).promise()).Body.equals(big));
  const url = s3.getSignedUrl("getObject", { Bucket, Key: "js2/a dir/k+1", Expires: 60 });
  assert.equal(await (await fetch(url)).text(), "js2/a dir/k+1");
  console.log("done");
})();
