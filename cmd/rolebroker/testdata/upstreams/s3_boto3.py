# What an agent does with S3, by boto3. It ends with an error if anything is not as S3 promises.
import hashlib, io, os, urllib.request, ssl
import boto3, botocore.exceptions

s3 = boto3.client("s3")
BUCKET = "bucket"


def get(key, **more):
    return s3.get_object(Bucket=BUCKET, Key=key, **more)["Body"].read()


# Keys that proxies break. (On a file system, . and .. cannot be parts of a key: the gateway's own tests have them.)
keys = ["plain", "a dir/k+1", "a%2Fb", "50%", "ü/ß€", "日本/語", "q?a=b&c", "hash#tag", "star*!'()", "=eq@:,;$", 'quo"te`s',
        "tilde~-_.", "sp ace ", "braces{}[]|\\^<>", "+plus+", "%25", "dots...and..more/.hidden"]
for key in keys:
    body = ("content of " + key).encode()
    s3.put_object(Bucket=BUCKET, Key="awk/" + key, Body=body, Metadata={"a": "x  y", "Name": "b=c;d"})
    assert get("awk/" + key) == body, key
    metadata = s3.head_object(Bucket=BUCKET, Key="awk/" + key)["Metadata"]
    assert {k.lower(): v.split() for k, v in metadata.items()} == {"a": ["x", "y"], "name": ["b=c;d"]}, metadata
    s3.copy_object(Bucket=BUCKET, Key="copy/" + key, CopySource={"Bucket": BUCKET, "Key": "awk/" + key})
    assert get("copy/" + key) == body, key
stored = os.environ["BUCKETS"] + "/bucket/awk/a dir/k+1"  # as S3 has it on its disk
assert open(stored).read() == "content of a dir/k+1"
listed = []
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="awk/", PaginationConfig={"PageSize": 3}):
    listed += [o["Key"] for o in page.get("Contents", [])]
assert sorted(listed) == sorted("awk/" + k for k in keys), listed
assert {o["Key"] for o in s3.list_objects(Bucket=BUCKET, Prefix="awk/a")["Contents"]} == {"awk/a dir/k+1", "awk/a%2Fb"}
folders = s3.list_objects_v2(Bucket=BUCKET, Prefix="awk/", Delimiter="/")["CommonPrefixes"]
assert {f["Prefix"] for f in folders} == {"awk/a dir/", "awk/ü/", "awk/日本/", "awk/dots...and..more/"}, folders

# A folder, and nothing at all.
s3.put_object(Bucket=BUCKET, Key="folder/", Body=b"")
assert get("folder/") == b""
s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
assert get("empty") == b"" and s3.head_object(Bucket=BUCKET, Key="empty")["ContentLength"] == 0

# Deleting several needs a checksum of the body.
gone = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "copy/" + k} for k in keys]})
assert len(gone["Deleted"]) == len(keys) and not gone.get("Errors"), gone
assert s3.list_objects_v2(Bucket=BUCKET, Prefix="copy/")["KeyCount"] == 0

# Parts of an object.
digits = b"0123456789" * 1000
s3.put_object(Bucket=BUCKET, Key="digits", Body=digits)
assert get("digits", Range="bytes=3-6") == b"3456"
assert get("digits", Range="bytes=-4") == b"6789"
assert get("digits", Range="bytes=9990-") == b"0123456789"
try:
    get("digits", Range="bytes=99999-")
    assert False, "a range past the end"
except botocore.exceptions.ClientError as e:
    assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 416, e.response
etag = s3.head_object(Bucket=BUCKET, Key="digits")["ETag"]
try:
    get("digits", IfNoneMatch=etag)
    assert False, "it has not changed"
except botocore.exceptions.ClientError as e:
    assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 304, e.response
try:
    s3.put_object(Bucket=BUCKET, Key="digits", Body=b"x", IfNoneMatch="*")
    assert False, "it exists"
except botocore.exceptions.ClientError as e:
    assert e.response["Error"]["Code"] == "PreconditionFailed", e.response

# An object in parts, also one that is copied, and one that is given up.
part = os.urandom(5 << 20)
up = s3.create_multipart_upload(Bucket=BUCKET, Key="parts a+b", Metadata={"m": "1"})
one = {"Bucket": BUCKET, "Key": "parts a+b", "UploadId": up["UploadId"]}
s3.put_object(Bucket="other", Key="source ü", Body=part)
parts = [s3.upload_part(PartNumber=1, Body=part, **one)["ETag"],
         s3.upload_part_copy(PartNumber=2, CopySource={"Bucket": "other", "Key": "source ü"}, **one)["CopyPartResult"]["ETag"],
         s3.upload_part(PartNumber=3, Body=b"end", **one)["ETag"]]
assert len(s3.list_parts(**one)["Parts"]) == 3
s3.complete_multipart_upload(
    MultipartUpload={"Parts": [{"PartNumber": i + 1, "ETag": e} for i, e in enumerate(parts)]}, **one)
assert get("parts a+b") == part + part + b"end"
given_up = s3.create_multipart_upload(Bucket=BUCKET, Key="given up")
assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=BUCKET, Prefix="given")["Uploads"]] == ["given up"]
s3.abort_multipart_upload(Bucket=BUCKET, Key="given up", UploadId=given_up["UploadId"])
assert not s3.list_multipart_uploads(Bucket=BUCKET, Prefix="given").get("Uploads")

# The transfer manager, with several connections.
big = os.urandom(20 << 20)
s3.upload_fileobj(io.BytesIO(big), BUCKET, "managed", ExtraArgs={"ContentType": "x/y"})
back = io.BytesIO()
s3.download_fileobj(BUCKET, "managed", back)
assert back.getvalue() == big
assert s3.head_object(Bucket=BUCKET, Key="managed")["ContentType"] == "x/y"

# Checksums before the body and, over TLS, behind it.
for algorithm in ["CRC32", "SHA1", "SHA256"]:
    done = s3.put_object(Bucket=BUCKET, Key="sum", Body=io.BytesIO(digits), ChecksumAlgorithm=algorithm)
    assert "Checksum" + algorithm in done, done
    read = s3.get_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")
    assert read["Checksum" + algorithm] == done["Checksum" + algorithm] and read["Body"].read() == digits
try:
    s3.put_object(Bucket=BUCKET, Key="wrong", Body=b"x", ChecksumSHA256="A" * 43 + "=")
    assert False, "a wrong checksum"
except botocore.exceptions.ClientError as e:
    assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 400, e.response
try:
    s3.put_object(Bucket=BUCKET, Key="wrong", Body=b"x", ContentMD5="A" * 22 + "==")
    assert False, "a wrong MD5"
except botocore.exceptions.ClientError as e:
    assert e.response["Error"]["Code"] == "BadDigest", e.response

# Tags.
s3.put_object_tagging(Bucket=BUCKET, Key="digits", Tagging={"TagSet": [{"Key": "a+b", "Value": "ü ="}]})
assert s3.get_object_tagging(Bucket=BUCKET, Key="digits")["TagSet"] == [{"Key": "a+b", "Value": "ü ="}]
s3.put_object(Bucket=BUCKET, Key="tagged", Body=b"x", Tagging="k=v%20w")
assert s3.get_object_tagging(Bucket=BUCKET, Key="tagged")["TagSet"] == [{"Key": "k", "Value": "v w"}]

# URLs that the agent signs, for somebody who trusts the authority of exec.
trusted = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
url = s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "by url ü"}, ExpiresIn=60)
urllib.request.urlopen(urllib.request.Request(url, b"put by a URL", method="PUT"), context=trusted).read()
url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "by url ü"}, ExpiresIn=60)
assert urllib.request.urlopen(url, context=trusted).read() == b"put by a URL"
try:
    urllib.request.urlopen(url.replace("by%20url", "managed"), context=trusted)
    assert False, "a URL for another object"
except urllib.error.HTTPError as e:
    assert e.code == 403 and b"SignatureDoesNotMatch" in e.read(), e

# What S3 refuses is S3's refusal.
try:
    get("nothing")
    assert False
except botocore.exceptions.ClientError as e:
    assert e.response["Error"]["Code"] == "NoSuchKey", e.response
print("done")
