// What an agent does with S3, by the SDK for JavaScript 3.
import assert from "node:assert";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { S3Client, PutObjectCommand, GetObjectCommand, CopyObjectCommand, ListObjectsV2Command, DeleteObjectsCommand,
  HeadObjectCommand } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const s3 = new S3Client({});
const Bucket = "bucket";
const get = async (Key, more) =>
  Buffer.from(await (await s3.send(new GetObjectCommand({ Bucket, Key, ...more }))).Body.transformToByteArray());

const keys = ["plain", "a dir/k+1", "a%2Fb", "ü/ß€", "q?a=b&c", "star*!'()", "=eq@:,;$", 'quo"te', "tilde~-_."];
for (const key of keys) {
  const Key = "js3/" + key;
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: "content of " + key, Metadata: { a: "b" } }));
  assert.equal(String(await get(Key)), "content of " + key);
}
const listed = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "js3/" }));
assert.deepEqual(listed.Contents.map((o) => o.Key).sort(), keys.map((k) => "js3/" + k).sort());
await s3.send(new CopyObjectCommand({ Bucket, Key: "js3 copy", CopySource: Bucket + "/" + encodeURIComponent("js3/a dir/k+1") }));
assert.equal(String(await get("js3 copy")), "content of a dir/k+1");

// Streams, with a checksum behind them.
for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA256", "SHA1"]) {
  for (const size of [0, 1, 100 << 10, (3 << 20) + 1]) {
    const body = randomBytes(size);
    await s3.send(new PutObjectCommand({ Bucket, Key: "js3 stream", ContentLength: size, ChecksumAlgorithm,
      Body: size < 2 ? body : Readable.from(body.length ? [body] : []) }));
    assert.ok((await get("js3 stream", { ChecksumMode: "ENABLED" })).equals(body), ChecksumAlgorithm + " " + size);
  }
}
const big = randomBytes((12 << 20) + 5);
await new Upload({ client: s3, params: { Bucket, Key: "js3 upload", Body: Readable.from([big]) } }).done();
assert.ok((await get("js3 upload")).equals(big));
assert.equal(String(await get("js3 upload", { Range: "bytes=0-3" })), String(big.subarray(0, 4)));

const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "js3/a dir/k+1" }), { expiresIn: 60 });
assert.equal(await (await fetch(url)).text(), "content of a dir/k+1");

const gone = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((k) => ({ Key: "js3/" + k })) } }));
assert.equal(gone.Deleted.length, keys.length);
await assert.rejects(s3.send(new HeadObjectCommand({ Bucket, Key: "js3/plain" })), { name: "NotFound" });
console.log("done");
