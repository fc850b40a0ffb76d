#!/usr/bin/env python3
"""Place an order from Python and learn what became of it: an example that runs.

    pip install confluent-kafka protobuf grpcio-tools
    python orderlog_client.py --order o-1 --customer c1 --currency BRL --line s1:2:500

Needs the .proto files and nothing else of orderlog. The command line prints one JSON object for
what was published, one for the outcome and, for an accepted order, one for its end. Exit: 0 the
order is confirmed (or was accepted before), 1 not, 2 usage.

What matters to a client in any language is marked with "Rule".
"""

import argparse
import importlib
import json
import pathlib
import sys
import tempfile
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"

# Rule: an id has 1 to 128 bytes in which everything is seen: none of these characters (controls,
# hidden ones, blanks other than the plain space), and no space at either end.
UNSEEN = (
    (0x0000, 0x001F), (0x007F, 0x009F), (0x00A0, 0x00A0), (0x00AD, 0x00AD), (0x034F, 0x034F),
    (0x061C, 0x061C), (0x115F, 0x1160), (0x1680, 0x1680), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x2000, 0x200A), (0x200B, 0x200F), (0x2028, 0x202E), (0x202F, 0x202F), (0x205F, 0x205F),
    (0x2060, 0x2065), (0x2066, 0x2069), (0x206A, 0x206F), (0x2800, 0x2800), (0x3000, 0x3000),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)


def check_id(what, text):
    """A command whose own id or whose aggregate's is not clean would become a dead letter."""
    unseen = any(first <= ord(c) <= last for c in text for first, last in UNSEEN)
    if unseen or text != text.strip(" ") or not 1 <= len(text.encode()) <= 128:
        raise ValueError(
            f"the {what} must be 1 to 128 bytes of UTF-8 without control characters, hidden "
            "characters and blanks other than the plain space, which must not stand at either end"
        )


def generate(proto_dir=PROTO):
    """Makes Python classes of the .proto files in a temporary folder and imports them."""
    import grpc_tools
    from grpc_tools import protoc

    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"  # google/protobuf/*.proto
    out = tempfile.TemporaryDirectory(prefix="orderlog-proto-")
    files = sorted(str(path) for path in proto_dir.glob("orderlog/**/*.proto"))
    paths = [f"-I{proto_dir}", f"-I{well_known}", f"--python_out={out.name}"]
    if protoc.main(["protoc", *paths, *files]) != 0:
        raise RuntimeError("protoc failed")
    sys.path.insert(0, out.name)
    modules = {
        name: importlib.import_module(f"orderlog.orders.v1.{name}_pb2") for name in ("command", "event")
    }
    out.cleanup()
    return modules["command"], modules["event"]


class Outcome:
    """What became of a command: kind is ACCEPTED, REJECTED, REPEATED or PUT_ASIDE.

    The first three have an event, at topic, partition and offset. PUT_ASIDE has none: a worker took
    the command and could not read it; it is among the dead letters, and waiting is of no use."""

    def __init__(self, message, event):
        self.topic, self.partition, self.offset = message.topic(), message.partition(), message.offset()
        self.event = event.WhichOneof("body")
        self.code, self.message = "", ""
        if self.event == "receipt":
            self.kind, self.event, self.offset = "PUT_ASIDE", "", -1
            self.message = "a worker put it aside; look at `orderlog dlq list`"
        elif self.event == "command_rejected":
            self.kind = "REJECTED"
            self.code, self.message = event.command_rejected.code, event.command_rejected.message
        elif self.event == "command_repeated":
            self.kind = "REPEATED"
            self.code = event.command_repeated.code  # empty where it was accepted the first time
        else:
            self.kind = "ACCEPTED"


class Client:
    """Publishes to the orders context and follows its events. One thread."""

    def __init__(self, brokers, prefix="orderlog", timeout=30.0):
        self.command_pb2, self.event_pb2 = generate()
        self.commands, self.events = f"{prefix}.orders.commands.v1", f"{prefix}.orders.events.v1"
        self.brokers, self.timeout = brokers, timeout
        # Rule: Kafka's murmur2 of the key (Java's default; librdkafka's own default is another).
        self.producer = Producer(
            {
                "bootstrap.servers": brokers,
                "partitioner": "murmur2",
                "enable.idempotence": True,
                "message.timeout.ms": int(timeout * 1000),
            }
        )
        # Rule: committed events only, and no group: this reader belongs to nobody.
        self.consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": "unused",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
            }
        )

    def close(self):
        self.producer.flush(self.timeout)
        self.consumer.close()

    def follow(self):
        """Rule: note where the events end before publishing, so that no outcome is missed."""
        topic = self.consumer.list_topics(self.events, timeout=self.timeout).topics[self.events]
        if topic.error:
            raise KafkaException(topic.error)
        ends = []
        for partition in topic.partitions:
            place = TopicPartition(self.events, partition)
            place.offset = self.consumer.get_watermark_offsets(place, timeout=self.timeout)[1]
            ends.append(place)
        self.consumer.assign(ends)

    def place_order(self, command_id, order_id, customer_id, currency, lines):
        """lines: (sku, quantity, amount_minor) of each. Returns the acknowledged (partition, offset).

        ValueError: an id is not clean; nothing was published."""
        check_id("command id", command_id)
        check_id("order id", order_id)
        command = self.command_pb2.Command()
        # Rule: the id follows from what you do, so that a second try has no second effect.
        command.metadata.command_id = command_id
        command.metadata.occurred_at.GetCurrentTime()
        order = command.place_order
        order.order_id, order.customer_id, order.currency = order_id, customer_id, currency
        for sku, quantity, amount_minor in lines:
            order.lines.add(sku=sku, quantity=quantity, amount_minor=amount_minor)

        receipt = []
        self.producer.produce(
            self.commands,
            key=order_id.encode(),  # Rule: the key is the aggregate's id, as text.
            value=command.SerializeToString(),
            on_delivery=lambda error, message: receipt.append((error, message)),
        )
        self.producer.flush(self.timeout)
        if not receipt:
            raise TimeoutError("no acknowledgement: publish again, with the same command id")
        error, message = receipt[0]
        if error:
            raise KafkaException(error)
        return message.partition(), message.offset()

    def _events(self, partition):
        """Decoded events of one partition as they come, until the timeout ends them."""
        until = time.monotonic() + self.timeout
        while time.monotonic() < until:
            message = self.consumer.poll(0.1)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            if message.partition() == partition:
                event = self.event_pb2.Event()
                event.ParseFromString(message.value())
                yield message, event

    def outcome(self, place):
        """Rule: an event names the record that caused it; its partition is the command's own.

        Rule: a worker's receipt is the last that it writes of what it took. If it has passed the
        command, and no event named it, there will be none."""
        partition, offset = place
        for message, event in self._events(partition):
            caused = event.cause.source == 1 and event.cause.offset == offset  # CAUSE_SOURCE_COMMANDS
            passed = event.WhichOneof("body") == "receipt" and event.receipt.commands_next > offset
            if caused or passed:
                return Outcome(message, event)
        raise TimeoutError(self._waits_for(partition, offset))

    def _waits_for(self, partition, offset):
        """Rule: an acknowledged record is read by nobody while a transaction is open before it, be it
        somebody else's. A reader of committed records is told that place as the partition's end."""
        place = TopicPartition(self.commands, partition)
        stable = self.consumer.get_watermark_offsets(place, timeout=self.timeout)[1]
        if offset < stable:
            return "no worker has read it yet; is one running?"
        return (
            f"it is acknowledged, and no worker may read it yet: {self.commands} partition {partition} "
            f"from offset {stable} on: an open transaction (whose, tells: kafka-transactions.sh "
            f"--bootstrap-server {self.brokers} describe-producers --topic {self.commands} "
            f"--partition {partition})"
        )

    def settled(self, place, order_id):
        """Waits until the order is CONFIRMED, REJECTED or CANCELLED; the status and its reason."""
        ends = {
            "order_confirmed": "CONFIRMED",
            "order_rejected": "REJECTED",
            "order_cancelled": "CANCELLED",
        }
        for _, event in self._events(place[0]):
            body = event.WhichOneof("body")
            if body in ends and getattr(event, body).order_id == order_id:
                return ends[body], getattr(getattr(event, body), "code", "")
        raise TimeoutError("the order is still under way; look at `orderlog order show`")


def parse_line(text):
    sku, quantity, amount = text.rsplit(":", 2)
    return sku, int(quantity), int(amount)


def main():
    parser = argparse.ArgumentParser(description="place one order and wait until it is settled")
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--prefix", default="orderlog")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds")
    parser.add_argument("--order", required=True)
    parser.add_argument("--customer", required=True)
    parser.add_argument("--currency", required=True)
    parser.add_argument("--line", required=True, action="append", type=parse_line,
                        metavar="SKU:QUANTITY:AMOUNT_MINOR")
    arguments = parser.parse_args()

    client = Client(arguments.brokers, arguments.prefix, arguments.timeout)
    try:
        return 0 if place(client, arguments) else 1
    except (ValueError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        client.close()


def place(client, arguments):
    """Places the order and tells its story; is it confirmed, or was it accepted before?"""
    client.follow()
    at = client.place_order(f"order/{arguments.order}", arguments.order, arguments.customer,
                            arguments.currency, arguments.line)
    print(json.dumps({"published": client.commands, "partition": at[0], "offset": str(at[1])}), flush=True)
    outcome = client.outcome(at)
    print(json.dumps({"outcome": outcome.kind, "event": outcome.event, "code": outcome.code,
                      "message": outcome.message, "topic": outcome.topic,
                      "partition": outcome.partition, "offset": str(outcome.offset)}), flush=True)
    if outcome.kind != "ACCEPTED":
        return outcome.kind == "REPEATED" and not outcome.code
    status, code = client.settled(at, arguments.order)
    print(json.dumps({"order": arguments.order, "status": status, "code": code}))
    return status == "CONFIRMED"


if __name__ == "__main__":
    sys.exit(main())
