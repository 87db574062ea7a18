# Prints what the AWS CLI prints for each answer to GetRole on stdin, one on a line, in each of its formats.
import io, json, sys
from types import SimpleNamespace

import jmespath
try:
    from awscli import __version__, formatter
except ImportError:
    sys.exit(3)

formats = ["json", "table", "text"] + (["yaml"] if __version__.startswith("2.") else [])
queries = ["", "Role", "Role.AssumeRolePolicyDocument"]

print(json.dumps(__version__))
for line in sys.stdin:
    printed = []
    for form in formats:
        for query in queries:
            args = SimpleNamespace(color="off", query=jmespath.compile(query) if query else None, output=form)
            out = io.StringIO()
            formatter.get_formatter(form, args)("get-role", json.loads(line), out)
            printed.append({"form": form, "query": query, "text": out.getvalue()})
    print(json.dumps(printed))
