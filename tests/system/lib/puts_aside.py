#!/usr/bin/env python3
"""puts_aside.py PREFIX - a worker that puts the next order's command aside: for the clients' tests.

Reads the commands topic from its present end and writes, for the first command that comes, the
receipt of a transaction that took it and left nothing else. Prints `ready` when it listens. Classes
are generated from the .proto files; takes ORDERLOG_KAFKA_BROKERS.
"""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "producers" / "python"))
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from orderlog_client import generate  # noqa: E402

PATIENCE = 120  # seconds


def main():
    prefix = sys.argv[1]
    commands, events = f"{prefix}.orders.commands.v1", f"{prefix}.orders.events.v1"
    _, event_pb2 = generate()
    brokers = {"bootstrap.servers": os.environ["ORDERLOG_KAFKA_BROKERS"]}
    consumer = Consumer({**brokers, "group.id": "unused", "enable.auto.commit": False,
                         "auto.offset.reset": "error"})
    places = [TopicPartition(commands, p) for p in consumer.list_topics(commands, timeout=30).topics[commands].partitions]
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, timeout=30)[1]
    consumer.assign(places)
    print("ready", flush=True)
    until = time.monotonic() + PATIENCE
    message = None
    while not message or message.error():
        if time.monotonic() > until:
            sys.exit("no command came")
        message = consumer.poll(0.1)
    event = event_pb2.Event()
    event.receipt.commands_first, event.receipt.commands_next = message.offset(), message.offset() + 1
    event.receipt.dead_lettered = 1
    producer = Producer({**brokers, "enable.idempotence": True})
    producer.produce(events, partition=message.partition(), value=event.SerializeToString())
    if producer.flush(30):
        sys.exit("the receipt was not taken")
    consumer.close()


main()
