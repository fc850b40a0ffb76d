"""tests/system/lib/edges.py - where logs begin and end, as Kafka's own clients see it.

positions() and ends() are what kafka-consumer-groups.sh --describe shows; trim() is DeleteRecords;
Probe publishes a command to each partition and waits for its outcome.
"""

import os

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from foreign import Publisher, command, home
from harness import CONTEXTS, PATIENCE, wait_until

BODIES = {"orders": ("cancel_order", "order_id", {}), "inventory": ("increase_stock", "sku", {"quantity": 1}),
          "payments": ("deposit_funds", "customer_id", {"amount_minor": 1, "currency": "USD"})}
INPUTS = ("commands", "steps")


def admin():
    return AdminClient({"bootstrap.servers": os.environ["ORDERLOG_KAFKA_BROKERS"], "log_level": 4})


def key_for(pipeline, partition, stem="none"):
    """A key that belongs there."""
    return next(key for key in (f"{stem}-{i}" for i in range(10 ** 6)) if home(key, pipeline.partitions) == partition)


def ends(pipeline, streams=INPUTS):
    """{(context, stream, partition): (where it begins, high watermark)}"""
    consumer = Consumer({"bootstrap.servers": os.environ["ORDERLOG_KAFKA_BROKERS"], "group.id": "edges",
                         "isolation.level": "read_uncommitted"})  # else it is the last stable offset
    try:
        return {(context, stream, p): consumer.get_watermark_offsets(
            TopicPartition(pipeline.topic(context, stream), p), timeout=30)
            for context in CONTEXTS for stream in streams for p in range(pipeline.partitions)}
    finally:
        consumer.close()


def positions(pipeline):
    """{(context, stream, partition): the worker group's committed offset; -1001: none}"""
    found, client = {}, admin()
    for context in CONTEXTS:
        group = f"{pipeline.prefix}.{context}.worker"
        places = [TopicPartition(pipeline.topic(context, stream), p)
                  for stream in INPUTS for p in range(pipeline.partitions)]
        answers = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
        for place in answers[group].result().topic_partitions:
            found[context, place.topic.split(".")[-2], place.partition] = place.offset
    return found


def behind(pipeline):
    """What kafka-consumer-groups.sh --describe shows as LAG above 0."""
    tops, committed = ends(pipeline), positions(pipeline)
    return {place: tops[place][1] - offset for place, offset in committed.items()
            if 0 <= offset < tops[place][1]}


def trim(pipeline, places):
    """DeleteRecords of each (context, stream, partition) to its end, or to the offset given for it."""
    tops = ends(pipeline)
    wanted = [TopicPartition(pipeline.topic(*place[:2]), place[2],
                             places[place] if isinstance(places, dict) else tops[place][1]) for place in places]
    client = admin()  # held: without it nobody answers
    for answer in client.delete_records(wanted, request_timeout=30).values():
        answer.result(PATIENCE)


class Probe:
    """Commands without further effect."""

    def __init__(self, pipeline):
        self.pipeline, self.number = pipeline, 0

    def publish(self, context, partition, publisher=None):
        """One command to there; its id."""
        body, field, more = BODIES[context]
        self.number += 1
        name = f"probe-{self.number}-{context}-{partition}"
        key = key_for(self.pipeline, partition, f"none-{self.number}")
        own = publisher or Publisher(self.pipeline, log_level=0)
        own.publish(context, key.encode(), command(context, name, body, **{field: key}, **more), partition)
        if not publisher:
            own.flush()
        return name

    def outcomes(self, names):
        return self.pipeline.number("SELECT count(*) FROM orderlog.commands WHERE command_id IN ("
                                    + ", ".join(f"'{name}'" for name in names) + ")") if names else 0

    def await_outcomes(self, names, what):
        self.pipeline.commands += len(names)
        wait_until(lambda: self.outcomes(names) == len(names), what)

    def everywhere(self, what, without=()):
        """A command to every partition but these gets its outcome. How many there were."""
        publisher = Publisher(self.pipeline, log_level=0)
        names = [self.publish(context, p, publisher) for context in CONTEXTS
                 for p in range(self.pipeline.partitions) if (context, p) not in without]
        publisher.flush()
        self.await_outcomes(names, f"{what}: {len(names)} partitions go on")
        return len(names)


def halted(pipeline, worker):
    """{(context, partition)} by the gauge."""
    return {(context, p) for context in CONTEXTS for p in range(pipeline.partitions)
            if worker.metric("orderlog_partition_halted", topic=pipeline.topic(context, "commands"),
                             partition=str(p)) == 1}


def restarts(worker):
    """How often one of its contexts has started from scratch."""
    return worker.log().count("starting from scratch")
