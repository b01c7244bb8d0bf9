"""A function for tests of the Lambda host: it does what the event tells it, and notes what it did in a file."""

import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    """Handle queue records, an HTTP request, a schedule, or a direct instruction."""
    if "Records" in event:
        failed = [record["messageId"] for record in event["Records"] if not _handled(record)]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
    if "requestContext" in event:
        return _respond(event)
    if event.get("source") == "aws.events":
        _note(event["time"])
        return None
    return _do(event, context)


def _handled(record: dict[str, Any]) -> bool:
    order = json.loads(record["body"])
    _note(f"{order['do']} {order.get('name', '')} {record['attributes']['ApproximateReceiveCount']}")
    if order["do"] == "die-first" and record["attributes"]["ApproximateReceiveCount"] == "1":
        os._exit(9)
    if order["do"] == "hang":
        time.sleep(60)
    return bool(order["do"] != "fail")


def _do(order: dict[str, Any], context: Any) -> Any:
    match order.get("do"):
        case "context":
            return {"name": context.function_name, "left_ms": context.get_remaining_time_in_millis()}
        case "env":
            return dict(os.environ)
        case "pid":
            return os.getpid()
        case "raise":
            raise ValueError("as told")
        case "exit":
            sys.exit(3)
        case "sleep":
            time.sleep(60)
        case "print":
            sys.stdout.write('{"ok": "not an answer"}\n')
            sys.stdout.flush()
    return order


def _respond(event: dict[str, Any]) -> Any:
    if event["rawPath"] == "/api/cookies":
        return {"statusCode": 201, "headers": {"X-Kind": "test"}, "cookies": ["a=1", "b=2"], "body": "made"}
    if event["rawPath"] == "/api/binary":
        return {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\x00\xff").decode()}
    if event["rawPath"] == "/api/fail":
        raise ValueError("as told")
    if event["rawPath"] == "/api/slow":
        time.sleep(60)
    return event


def _note(text: str) -> None:
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(text.strip() + "\n")
