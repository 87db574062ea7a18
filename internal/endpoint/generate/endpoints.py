"""Writes endpoints.tsv from botocore's endpoint rule sets: python3 endpoints.py > ../endpoints.tsv

Source: the endpoint rule sets and partitions of botocore (Apache-2.0), which AWS publishes with its SDKs.
"""

import collections
import sys

import botocore
import botocore.session
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointResolutionError

session = botocore.session.get_session()
loader = session.get_component("data_loader")
data = loader.load_data("partitions")
partitions = {p["id"]: p for p in data["partitions"]}
regions = {id: [r for r in p["regions"] if "global" not in r] for id, p in partitions.items()}


def endpoint(provider, names, region):
    """The host and path of a service in a region, and the region to sign for if that is another."""
    known = {"Region": region, "UseDualStack": False, "UseFIPS": False, "UseGlobalEndpoint": False,
             "RequiresAccountId": False}
    found = provider.resolve_endpoint(**{name: value for name, value in known.items() if name in names})
    schemes = [s for s in found.properties.get("authSchemes", []) if s["name"] in ("sigv4", "sigv4-s3express")]
    signs = schemes[0].get("signingRegion", region) if schemes else region
    return found.url.removeprefix("https://"), signs if signs != region else ""


def prefixes(model):
    """What operations put in front of the host, as in sync- or {AccountId}. ."""
    shapes = [model.operation_model(name) for name in model.operation_names]
    found = {(s.endpoint or {}).get("hostPrefix", "") for s in shapes} - {""}
    return ",".join(sorted(found)) or "-"


def pattern(partition, found):
    """The pattern of all endpoints of a partition, then those that differ."""
    outputs = partitions[partition]["outputs"]
    suffixes = [(outputs["dualStackDnsSuffix"], "%"), (outputs["dnsSuffix"], "$")]
    shown = {}
    signs = {s for _, s in found.values() if s}
    one = len({host for host, _ in found.values()}) == 1
    for region, (host, _) in found.items():
        shape = host if one and (len(found) > 1 or signs) else host.replace(region, "{region}")
        for suffix, mark in suffixes:
            if shape.split("/")[0].endswith("." + suffix):
                shape = shape.replace("." + suffix, "." + mark)
                break
        shown[region] = shape
    common = collections.Counter(shown.values()).most_common(1)[0][0]
    others = [f"{r}={s}" for r, s in sorted(shown.items()) if s != common]
    return " ".join(["@".join([common, *sorted(signs)])] + others)


print(f"# botocore {botocore.__version__}, Apache-2.0; made by generate/endpoints.py")
print("# partition, the suffix $ of its hosts, and % of those with IPv6")
for id, p in partitions.items():
    print("partition", id, p["outputs"]["dnsSuffix"], p["outputs"]["dualStackDnsSuffix"], sep="\t")
print("# service, its environment variable, the name it signs with, its protocol, the prefixes of its hosts, its endpoints, those of other partitions that differ")
for name in session.get_available_services():
    model = session.get_service_model(name)
    rules = loader.load_service_model(name, "endpoint-rule-set-1")
    provider = EndpointProvider(rules, data)
    try:
        row = {partition: pattern(partition, {r: endpoint(provider, rules["parameters"], r) for r in all})
               for partition, all in regions.items()}
    except EndpointResolutionError as wrong:  # its host depends on the request
        print(name, wrong, file=sys.stderr)
        continue
    main = row["aws"]
    variable = str(model.service_id).upper().replace(" ", "_").replace("-", "_")
    others = [f"{p}|{shape}" for p, shape in row.items() if shape != main]
    print(name, variable, model.signing_name, model.metadata["protocol"], prefixes(model), main, *others, sep="\t")
print(f"{len(session.get_available_services())} services", file=sys.stderr)
