#!/usr/bin/env python3
"""test_json_mapping.py - golden bytes and their JSON against protobuf's own Python implementation.

One test for each file of tests/unit/golden. Takes ORDERLOG_BUILD, which has the compiled schema, and
goes on under ORDERLOG_PYTHON where this Python has no protobuf.
"""
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("ORDERLOG_BUILD")

if not BUILD:
    print("skip - test_json_mapping: run it through ./test")
    sys.exit(77)
try:
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format
    from google.protobuf.message import DecodeError
    from google.protobuf.message_factory import GetMessageClass
except ImportError:
    python = os.environ.get("ORDERLOG_PYTHON")
    if not python or os.environ.get("ORDERLOG_TEST_PYTHON") == python:
        print("skip - test_json_mapping: no Python with protobuf")
        sys.exit(77)
    os.environ["ORDERLOG_TEST_PYTHON"] = python
    os.execv(python, [python, *sys.argv])

ENVELOPES = {"commands": "Command", "steps": "Step", "events": "Event"}


def message_class(pool, file_name):
    context, stream, version = file_name.split(".")
    name = f"orderlog.{context}.{version}.{ENVELOPES[stream]}"
    return GetMessageClass(pool.FindMessageTypeByName(name))


def check_line(message_type, line):
    """What is wrong with one golden line; None: nothing."""
    name, wire_hex, text = line.rstrip("\n").split(" ", 2)
    wire = bytes.fromhex(wire_hex)
    try:
        message, read = message_type.FromString(wire), json_format.Parse(text, message_type())
    except (DecodeError, json_format.ParseError) as error:
        return f"{name}: {error}"
    if message.SerializeToString(deterministic=True) != wire:
        return f"{name}: other bytes: {message.SerializeToString(deterministic=True).hex()}"
    if json.loads(json_format.MessageToJson(message)) != json.loads(text):
        return f"{name}: other JSON: {json_format.MessageToJson(message, indent=None)}"
    if read != message:
        return f"{name}: its JSON reads as something else"
    return None


def main():
    pool = descriptor_pool.DescriptorPool()
    schema = (pathlib.Path(BUILD) / "proto" / "orderlog.desc").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(schema).file:
        pool.Add(file)
    files = sorted((ROOT / "tests" / "unit" / "golden").glob("*.v1"))
    failed = len(files) != 3 * len(ENVELOPES)
    if failed:
        print(f"not ok - {len(files)} files of golden bytes, one for each stream of each context is wanted")
    for path in files:
        message_type = message_class(pool, path.name)
        lines = path.read_text(encoding="utf-8").splitlines()
        faults = [fault for line in lines if (fault := check_line(message_type, line))]
        if faults or not lines:
            failed = True
            print(f"not ok - {path.name}: {len(lines)} messages, {len(faults)} faults; {faults[:1]}")
        else:
            print(f"ok - {path.name}: protobuf's Python reads and writes {len(lines)} messages alike")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
