#!/usr/bin/env python3
"""Holds the golden bytes and their JSON against protobuf's own Python implementation.

Usage: test_json_mapping.py ORDERLOG_DESC GOLDEN_DIR
Exit: 0 all agree, 1 one does not, 77 skipped (no Python protobuf on this machine).
"""
import json
import pathlib
import sys

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
except ImportError:
    print("skipped: Python has no google.protobuf")
    sys.exit(77)

ENVELOPES = {"commands": "Command", "steps": "Step", "events": "Event"}


def new_class(pool, name):
    descriptor = pool.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def message_class(pool, file_name):
    context, stream, version = file_name.split(".")
    return new_class(pool, f"orderlog.{context}.{version}.{ENVELOPES[stream]}")


def check_line(message_type, line):
    """What is wrong with one golden line; None: nothing."""
    name, wire_hex, text = line.rstrip("\n").split(" ", 2)
    wire = bytes.fromhex(wire_hex)
    message = message_type.FromString(wire)
    if message.SerializeToString(deterministic=True) != wire:
        return f"{name}: other bytes: {message.SerializeToString(deterministic=True).hex()}"
    if json.loads(json_format.MessageToJson(message)) != json.loads(text):
        return f"{name}: other JSON: {json_format.MessageToJson(message, indent=None)}"
    if json_format.Parse(text, message_type()) != message:
        return f"{name}: its JSON reads as something else"
    return None


def main(desc_path, golden_dir):
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(desc_path).read_bytes())
    for file in files.file:
        pool.Add(file)
    lines = faults = 0
    for path in sorted(pathlib.Path(golden_dir).glob("*.v1")):
        if path.name.split(".")[1] not in ENVELOPES:
            continue
        message_type = message_class(pool, path.name)
        for line in path.read_text(encoding="utf-8").splitlines():
            lines += 1
            fault = check_line(message_type, line)
            if fault:
                faults += 1
                print(f"{path.name}: {fault}")
    print(f"{lines} messages, {faults} faults")
    return 1 if faults or not lines else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
