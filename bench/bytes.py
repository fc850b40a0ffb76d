#!/usr/bin/env python3
"""bench/bytes.py - what an order takes of the log, field by field, from the topics of an installation.

    . .orderlog/env; .orderlog/python/bin/python bench/bytes.py [--prefix P] [--least BYTES]

Reads the commands, steps and events topics (ORDERLOG_KAFKA_BROKERS, read_committed) and tells for each kind
of message how many there are for an order, and how many bytes their values have, by field: tag, length and
content. A message within a message is told by its fields; what frames it is `(frame)`. Commands and events
that bring in products and accounts are left out, receipts are not. Orders are counted by OrderPlaced.
"""

import argparse
import importlib
import os
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import grpc_tools
from confluent_kafka import Consumer, TopicPartition
from google.protobuf.descriptor import FieldDescriptor
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
CONTEXTS = ("orders", "inventory", "payments")
LISTS = ("add_product", "product_added", "increase_stock", "stock_increased", "open_account", "account_opened",
         "deposit_funds", "funds_deposited")
VARINTS = (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT32,
           FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_BOOL)
SIGNED = (FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SINT64)


def generated(folder):
    files = sorted(str(path) for path in (ROOT / "proto").glob("orderlog/**/*.proto"))
    if protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
                    f"--python_out={folder}", *files]) != 0:
        sys.exit("bytes: protoc failed")
    sys.path.insert(0, folder)


def varint(value):
    return max(1, -(-(value % 2 ** 64).bit_length() // 7))


def of_value(field, value):
    """Bytes of a scalar's content."""
    if field.type in VARINTS:
        return varint(int(value))
    if field.type in SIGNED:
        return varint(value << 1 if value >= 0 else ~(value << 1))
    if field.type in (FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64, FieldDescriptor.TYPE_DOUBLE):
        return 8
    if field.type in (FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_SFIXED32, FieldDescriptor.TYPE_FLOAT):
        return 4
    size = len(value.encode() if isinstance(value, str) else value)
    return size + varint(size)


def add_fields(message, path, found):
    """Adds the bytes below `path`; returns their sum."""
    total = 0
    for field, value in message.ListFields():
        name = f"{path}.{field.name}" if path else field.name
        tag = varint(field.number << 3)
        values = value if field.is_repeated else [value]
        for one in values:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                inner = add_fields(one, name, found)
                frame = tag + varint(inner)
                found[f"{name} (frame)"] += frame
                total += inner + frame
            else:
                size = tag + of_value(field, one)
                found[name] += size
                total += size
    return total


def records(topic):
    consumer = Consumer({"bootstrap.servers": os.environ["ORDERLOG_KAFKA_BROKERS"], "group.id": "bytes",
                         "enable.auto.commit": False, "isolation.level": "read_committed",
                         "enable.partition.eof": True})
    parts = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, part, 0) for part in parts])
    ended = set()
    while len(ended) < len(parts):
        for record in consumer.consume(1000, timeout=1):
            if not record.error():
                yield record
            else:
                ended.add(record.partition())
    consumer.close()


def kind_of(message):
    return message.WhichOneof("body") or "?"


def measure(prefix):
    """{topic: (records, {kind: (messages, {field: bytes})})}, for what is of orders."""
    found = {}
    for context in CONTEXTS:
        for stream, envelope in (("commands", "Command"), ("steps", "StepBundle"), ("events", "Event")):
            module = importlib.import_module(f"orderlog.{context}.v1.{stream[:-1]}_pb2")
            kinds, count = defaultdict(lambda: [0, Counter()]), 0
            for record in records(f"{prefix}.{context}.{stream}.v1"):
                message = getattr(module, envelope)()
                message.ParseFromString(record.value())
                if envelope != "StepBundle":
                    if kind_of(message) in LISTS:
                        continue
                    add(kinds, kind_of(message), message)
                else:
                    for step in message.steps:
                        frame = add(kinds, kind_of(step), step)
                        kinds[kind_of(step)][1]["(frame)"] += 1 + varint(frame)
                count += 1
            found[f"{context}.{stream}"] = (count, kinds)
    return found


def add(kinds, kind, message):
    kinds[kind][0] += 1
    return add_fields(message, "", kinds[kind][1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prefix", default=os.environ.get("ORDERLOG_TOPIC_PREFIX", "orderlog"))
    parser.add_argument("--least", type=float, default=2, help="bytes an order from which a field has its line (2)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generated(folder)
        found = measure(arguments.prefix)
    orders = found["orders.events"][1]["order_placed"][0]
    if not orders:
        sys.exit("bytes: no order was placed")
    whole = Counter()
    for topic, (count, kinds) in found.items():
        total = sum(sum(fields.values()) for _, fields in kinds.values())
        whole[topic.split(".")[1]] += total
        whole["records"] += count
        print(f"{topic}: {count / orders:.2f} records, {total / orders:,.0f} bytes")
        for kind, (messages, fields) in sorted(kinds.items(), key=lambda row: -sum(row[1][1].values())):
            print(f"  {kind}: {messages / orders:.2f}, {sum(fields.values()) / orders:,.0f} bytes")
            for name, size in fields.most_common():
                if size / orders >= arguments.least:
                    print(f"    {name:44}{size / orders:8.1f}")
    print(f"an order: {whole.pop('records') / orders:.2f} records, {sum(whole.values()) / orders:,.0f} bytes ("
          + ", ".join(f"{stream} {size / orders:,.0f}" for stream, size in whole.items()) + ")")


main()
