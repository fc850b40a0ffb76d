#!/usr/bin/env python3
"""holds_open.py PREFIX ORDER - a transaction that stays open before that order's commands: for the clients' tests.

Prints where it begins, as `topic partition offset`, and aborts when its input ends. Takes
ORDERLOG_KAFKA_BROKERS.
"""
import os
import sys

from confluent_kafka import Producer


def main():
    prefix, order = sys.argv[1:]
    producer = Producer({"bootstrap.servers": os.environ["ORDERLOG_KAFKA_BROKERS"], "partitioner": "murmur2",
                         "transactional.id": f"{prefix}.left-open", "transaction.timeout.ms": 300_000})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(f"{prefix}.orders.commands.v1", key=order.encode(), value=b"never seen",
                     on_delivery=lambda error, message: print(
                         error or message.topic(), message.partition(), message.offset(), flush=True))
    if producer.flush(30):
        sys.exit("the record was not taken")
    sys.stdin.read()
    producer.abort_transaction(30)


main()
