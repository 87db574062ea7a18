"""Writes testdata/requests.txt.gz: what boto3 sends for every operation of every service, with as few parameters as go.

A line is the service model, the operation, the name that the request is signed with, the method, the host, the path with
its query, the headers that matter and the beginning of the body, separated by tabs. Nothing is sent.
"""
import gzip
import json
import logging
import sys

import botocore.awsrequest
import botocore.config
import botocore.session

HEADERS = ("x-amz-target", "content-type", "smithy-protocol", "x-amz-copy-source", "content-encoding")
ARN = "arn:aws:service:us-east-1:111122223333:kind/some/name"
ARNS = {"kinesis": "arn:aws:kinesis:us-east-1:111122223333:stream/name"}
SERVICE = [""]  # the one whose requests are made
logging.disable(logging.CRITICAL)


def value(name, shape, depth, seen):
    """A value of a shape: the required members of a structure, one element of a list."""
    kind = shape.type_name
    if kind == "structure":
        if shape.name in seen or depth > 6:
            return {}
        return structure(shape, depth + 1, seen | {shape.name})
    if kind == "list":
        return [value(name, shape.member, depth + 1, seen)]
    if kind == "map":
        return {"key": value(name, shape.value, depth + 1, seen)}
    if kind in ("integer", "long"):
        return 1
    if kind in ("float", "double"):
        return 1.0
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return 1700000000
    if kind == "blob":
        return b"blob"
    if kind == "string":
        return text(name, shape)
    return {}


def text(name, shape):
    lower = name.lower()
    if shape.enum:
        return shape.enum[0]
    if lower.endswith("arn"):
        return ARNS.get(SERVICE[0], ARN)
    if lower == "predictendpoint":
        return "https://realtime.machinelearning.us-east-1.amazonaws.com"
    if lower == "accountid":
        return "111122223333"
    if lower == "bucket":
        return "amzn-bucket"
    if lower == "copysource":
        return "amzn-bucket/a/b"
    return "a-" + name


def structure(shape, depth=0, seen=frozenset()):
    names = list(shape.required_members)
    if getattr(shape, "is_tagged_union", False) and not names and shape.members:
        names = [next(iter(shape.members))]
    params = {name: value(name, shape.members[name], depth, seen) for name in names}
    for name, member in shape.members.items():
        if member.metadata.get("idempotencyToken"):
            params[name] = "00000000-0000-4000-8000-000000000000"
    return params


class Stop(Exception):
    pass


class Raw:
    def __init__(self, content):
        self.content = content

    def stream(self, **_):
        yield self.content


DISCOVERED = botocore.awsrequest.AWSResponse("", 200, {}, Raw(
    b'{"Endpoints": [{"Address": "cell1.timestream.us-east-1.amazonaws.com", "CachePeriodInMinutes": 9}]}'))


def requests(session, service):
    client = session.create_client(
        service, "us-east-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret",
        config=botocore.config.Config(parameter_validation=False, retries={"total_max_attempts": 1}))
    got, SERVICE[0] = [], service

    def take(request, event_name, **_):
        if event_name.endswith(".DescribeEndpoints") and operation != "DescribeEndpoints":
            return DISCOVERED  # asked for before the operation itself
        got.append(request)
        raise Stop

    client.meta.events.register("before-send", take)
    model = client.meta.service_model
    for operation in sorted(model.operation_names):
        shape = model.operation_model(operation).input_shape
        got.clear()
        try:
            client._make_api_call(operation, structure(shape) if shape else {})
        except Stop:
            pass
        except Exception as e:
            if not got:
                print(f"{service}.{operation}: {type(e).__name__}: {e}", file=sys.stderr)
        if got:
            yield line(model, operation, got[0])


def line(model, operation, request):
    authorization = request.headers.get("Authorization") or ""
    if isinstance(authorization, bytes):
        authorization = authorization.decode()
    signed = "-"
    if "Credential=" in authorization:
        signed = authorization.split("Credential=")[1].split(",")[0].split("/")[3]
    scheme, rest = request.url.split("://", 1)
    host, slash, path = rest.partition("/")
    if not slash:
        host, mark, query = host.partition("?")
        path = mark + query
    headers = {}
    for name in HEADERS:
        if name in request.headers:
            v = request.headers[name]
            headers[name] = v.decode() if isinstance(v, bytes) else v
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    kind = headers.get("content-type", "")
    if "cbor" in kind or "xml" in kind:
        body = b""  # nothing there names the operation
    body = body[:4096].decode("latin-1")
    return "\t".join([model.service_name, operation, signed, request.method, host, "/" + path,
                      json.dumps(headers, sort_keys=True, separators=(",", ":")), json.dumps(body)])


def main(out, services):
    session = botocore.session.get_session()
    lines = []
    for service in services or session.get_available_services():
        lines += requests(session, service)
    with gzip.GzipFile(out, "wb", 9, mtime=0) as f:
        f.write(("\n".join(lines) + "\n").encode())
    print(f"{len(lines)} requests")


main(sys.argv[1], sys.argv[2:])
