"""What Schemathesis cannot guess, so that what it sends in good faith is good: a key that nobody has used, a name that is
free, no token of a page that nobody gave it. What it sends to be refused stays as it made it up.
"""

import itertools
import re
import uuid

import schemathesis

counter = itertools.count(1)
tags = re.compile(r'\*$|(W/)?"')


@schemathesis.hook
def before_call(context, case, kwargs):
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive:
        return
    if case.query:
        case.query.pop("pageToken", None)
        if "wait" in case.query:
            # It may wait for a minute, which is as long as hundreds of requests take.
            case.query["wait"] = "1s"
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = make_unused(case.headers["Idempotency-Key"])
    for name in ("If-Match", "If-None-Match"):
        # For the pattern of these, the coverage phase takes "0", which does not fit it.
        if case.headers and name in case.headers and not tags.match(case.headers[name]):
            case.headers[name] = "*"
    if meta.phase.name == "stateful":
        put_example(case)


def make_unused(key):
    """Of the same form, quoted or not."""
    quote = '"' if key.startswith('"') else ""
    return f"{quote}{key.strip(quote or None)[:200]}{uuid.uuid4().hex}{quote}"


def put_example(case):
    """One body in four stays as it was made up."""
    turn = next(counter)
    examples = list_examples(case.operation.definition.raw)
    if examples and turn % 4:
        body = dict(examples[turn % len(examples)])
        if "name" in body:
            body["name"] = name_anew(body["name"], case.operation.path, turn)
        case.body = body


def list_examples(definition):
    content = definition.get("requestBody", {}).get("content", {})
    examples = content.get("application/json", {}).get("examples", {})
    return [example["value"] for example in examples.values()]


def name_anew(name, path, turn):
    """Releases have numbers for names."""
    return f"0.7.{turn}" if path == "/v1/releases" else f"{name[:8].rstrip('-')}-{turn}"
