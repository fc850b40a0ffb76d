"""tests/system/lib/foreign.py - the pipeline as a stranger's consumer sees it.

Another Kafka client's language, classes generated from the .proto files, read_committed; no line
of orderlog. check_log() says what it found: every input with one outcome, every event once,
versions 1, 2, 3 ... of each aggregate on one partition, receipts that chain, and rows that are what
the events add up to.
"""

import importlib
import os
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import grpc_tools
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from google.protobuf.message import DecodeError
from grpc_tools import protoc

from harness import CONTEXTS, DIR, PATIENCE, ROOT, Hopeless, check, note


def generate():
    """{(context, command|step|bundle|event): the message's class}"""
    out = DIR / "proto"
    out.mkdir(exist_ok=True)
    files = sorted(str(path) for path in (ROOT / "proto").glob("orderlog/**/*.proto"))
    words = ["protoc", f"-I{ROOT / 'proto'}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
             f"--python_out={out}", *files]
    if protoc.main(words) != 0:
        raise Hopeless("protoc failed")
    sys.path.insert(0, str(out))
    return {(context, kind): getattr(importlib.import_module(f"orderlog.{context}.v1.{module}_pb2"), name)
            for context in CONTEXTS for kind, module, name in (
                ("command", "command", "Command"), ("step", "step", "Step"), ("bundle", "step", "StepBundle"),
                ("event", "event", "Event"))}


CLASSES = generate()
COMMANDS, STEPS = 1, 2  # CauseSource


def murmur2(data):
    """Kafka's, of bytes."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if len(data) > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


def home(key, partitions):
    """The partition where it belongs."""
    return murmur2(key.encode()) % partitions


def read(topic, partitions):
    """All committed records: per partition [(offset, key, value, headers)]."""
    consumer = Consumer({"bootstrap.servers": os.environ["ORDERLOG_KAFKA_BROKERS"],
                         "group.id": "foreign", "enable.auto.commit": False,
                         "isolation.level": "read_committed", "auto.offset.reset": "error",
                         "enable.partition.eof": True, "fetch.wait.max.ms": 10})
    records = [[] for _ in range(partitions)]
    try:
        consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
        at_end, until = set(), time.monotonic() + PATIENCE
        while len(at_end) < partitions:
            batch = consumer.consume(1000, 0.05)
            if time.monotonic() > until:
                raise Hopeless(f"{topic} can't be read to its end")
            for message in batch:
                if message.error():
                    if message.error().code() == KafkaError._PARTITION_EOF:
                        at_end.add(message.partition())
                    continue
                records[message.partition()].append(
                    (message.offset(), message.key(), message.value(), message.headers() or []))
    finally:
        consumer.close()
    return records


class Publisher:
    """Another client's producer, with a partitioner of its choice."""

    def __init__(self, pipeline, partitioner="murmur2", **more):
        self.pipeline, self.places = pipeline, []
        self.producer = Producer({"bootstrap.servers": os.environ["ORDERLOG_KAFKA_BROKERS"],
                                  "partitioner": partitioner, "enable.idempotence": True,
                                  "linger.ms": 20, "queue.buffering.max.messages": 1000000, **more})

    def publish(self, context, key, value, partition=-1, headers=None, stream="commands"):
        """value: bytes, or a message. Its place is appended to `places` when it is there."""
        def there(error, message):
            if error:
                raise KafkaException(error)
            self.places.append((context, message.key(), message.partition(), message.offset()))
        if value is not None and not isinstance(value, bytes):
            value = value.SerializeToString()
        self.producer.produce(self.pipeline.topic(context, stream), key=key, value=value,
                              partition=partition, headers=headers, on_delivery=there)
        self.producer.poll(0)

    def flush(self):
        if self.producer.flush(PATIENCE):
            raise Hopeless("the broker did not take all records")


def command(context, name, body, **fields):
    """An envelope: command("orders", "id-1", "cancel_order", order_id="o-1")"""
    message = CLASSES[context, "command"]()
    message.metadata.command_id = name
    getattr(message, body).SetInParent()
    for field, value in fields.items():
        target = getattr(message, body)
        if isinstance(value, list):
            getattr(target, field).extend(
                type(target).DESCRIPTOR.fields_by_name[field].message_type._concrete_class(**item)
                for item in value)
        elif isinstance(value, dict):
            getattr(target, field).SetInParent()
            for inner, part in value.items():
                setattr(getattr(target, field), inner, part)
        else:
            setattr(target, field, value)
    return message


def body_of(message):
    name = message.WhichOneof("body")
    return name, getattr(message, name) if name else None


class Fold:
    """What the events add up to, and what is odd about them."""

    def __init__(self, partitions):
        self.partitions = partitions
        self.findings = []
        self.places = {}              # (context, aggregate) -> partition
        self.versions = Counter()     # (context, aggregate) -> last
        self.orders = {}              # id -> [status, saga state, payment]
        self.asked_because = {}       # (order, version) -> id of the input that the event is the outcome of
        self.stock = {}               # sku -> [on hand, reserved]
        self.wallets = {}             # customer -> [balance, held, spent]
        self.charged = {}             # payment -> minor units, of those that were not reversed
        self.outcomes = defaultdict(list)  # (context, aggregate, command id) -> [kind or code]
        self.kinds = Counter()        # of events
        self.receipts = Counter()     # sums over all

    def odd(self, text):
        self.findings.append(text)

    def version(self, context, aggregate, partition, version, where):
        name = (context, aggregate)
        if self.places.setdefault(name, partition) != partition:
            self.odd(f"{aggregate} has events on partitions {self.places[name]} and {partition}")
        if home(aggregate, self.partitions) != partition:
            self.odd(f"{where}: {aggregate} does not belong on partition {partition}")
        if version != self.versions[name] + 1:
            self.odd(f"{where}: version {version} of {aggregate} follows {self.versions[name]}")
        self.versions[name] = version

    def apply(self, context, event, partition, where):
        name, body = body_of(event)
        self.kinds[name] += 1
        if context == "orders":
            self.version(context, body.order_id, partition, event.version, where)
            self.orders[body.order_id] = [event.status, event.saga_state, event.payment]
            self.asked_because[body.order_id, event.version] = event.metadata.command_id
        elif context == "inventory":
            self.apply_stock(event, name, body, partition, where)
        else:
            self.apply_wallet(event, name, body, partition, where)

    def apply_stock(self, event, name, body, partition, where):
        if name in ("stock_reserved", "stock_released"):
            for line in body.lines:
                self.version("inventory", line.sku, partition, line.version, where)
                self.move_stock(line.sku, 0, line.quantity if name == "stock_reserved" else -line.quantity, where)
        elif name != "stock_refused":
            self.version("inventory", body.sku, partition, event.version, where)
            sign = {"stock_increased": 1, "stock_decreased": -1}.get(name, 0)
            self.move_stock(body.sku, sign * body.quantity if sign else 0, 0, where)

    def move_stock(self, sku, on_hand, reserved, where):
        level = self.stock.setdefault(sku, [0, 0])
        level[0] += on_hand
        level[1] += reserved
        if not 0 <= level[1] <= level[0]:
            self.odd(f"{where}: {sku} has {level[0]} on hand and {level[1]} reserved")

    def apply_wallet(self, event, name, body, partition, where):
        moved = {"account_opened": (0, 0, 0), "funds_deposited": (1, 0, 0), "funds_withdrawn": (-1, 0, 0),
                 "payment_charged": (-1, 0, 1), "payment_reversed": (1, 0, -1),
                 "payment_authorised": (-1, 1, 0), "payment_captured": (0, -1, 1),
                 "payment_voided": (1, -1, 0), "payment_refunded": (1, 0, -1)}.get(name)
        if name == "payment_charged":
            if body.payment_id in self.charged:
                self.odd(f"{where}: payment {body.payment_id} is charged twice")
            self.charged[body.payment_id] = body.amount_minor
        if name == "payment_reversed" and self.charged.pop(body.payment_id, 0) != body.charged_minor:
            self.odd(f"{where}: payment {body.payment_id} is reversed, of another charge")
        if moved is None or (name in ("payment_voided", "payment_reversed") and body.amount_minor == 0):
            if event.version != 0:
                self.odd(f"{where}: {name} moves nothing and has version {event.version}")
            return
        self.version("payments", body.customer_id, partition, event.version, where)
        amount = 0 if name == "account_opened" else body.amount_minor
        wallet = self.wallets.setdefault(body.customer_id, [0, 0, 0])
        for i, sign in enumerate(moved):
            wallet[i] += sign * amount
        if min(wallet) < 0:
            self.odd(f"{where}: wallet {body.customer_id} has {wallet[0]}, holds {wallet[1]} and has spent {wallet[2]}")


def bundle(context, partition, steps):
    """The value of a steps record: steps are messages, or bytes that are none."""
    frame = CLASSES[context, "bundle"](partition=partition).SerializeToString()
    for step in steps:
        step = step if isinstance(step, bytes) else step.SerializeToString()
        size, length = len(step), b""
        while size >= 0x80:
            length += bytes((size & 0x7F | 0x80,))
            size >>= 7
        frame += b"\x12" + length + bytes((size,)) + step
    return frame


def unbundle(value):
    """Each step's bytes; a frame that can't be read is a step of its own."""
    steps, at = [], 0

    def varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = value[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number
    try:
        while at < len(value):
            tag = varint()
            if tag == 1 << 3:
                varint()
                continue
            size = varint()
            if tag != 2 << 3 | 2 or at + size > len(value):
                return [value]
            steps.append(value[at:at + size])
            at += size
    except IndexError:
        return [value]
    return steps or [value]


def inputs_of(stream, records):
    """[((offset, place), bytes, headers)]: commands, and the steps of bundles."""
    return [((offset, place), part, headers) for offset, _, value, headers in records
            for place, part in enumerate(unbundle(value or b"") if stream == "steps" else [value or b""])]


def restore_cause(context, step):
    """Puts into a step the causation_id that it leaves away, by the rule in proto/README.md."""
    meta = step.metadata
    if meta.causation_id:
        return
    if context != "orders" or not step.asking_version:
        meta.causation_id = meta.correlation_id or meta.command_id
    elif meta.command_id.endswith("/r"):
        meta.causation_id = meta.command_id.removesuffix("/r")


class Inputs:
    """Inputs of one partition of a commands or steps topic, by (offset, place)."""

    def __init__(self, context, stream, records):
        self.places, self.messages, self.again = set(), {}, set()
        for place, value, headers in inputs_of(stream, records):
            self.places.add(place)
            if stream == "steps" and headers:  # workers write none: somebody has published it again
                self.again.add(place)
            message = CLASSES[context, stream.removesuffix("s")]()
            try:
                message.ParseFromString(value)
            except DecodeError:  # a dead letter, or refused for a text that is not UTF-8
                continue
            if stream == "steps":
                restore_cause(context, message)
            self.messages[place] = message

    def last_offset(self):
        return max((offset for offset, _ in self.places), default=-1)

    def first_time(self):
        return [message for place, message in self.messages.items() if place not in self.again]


def asker_of(message):
    return message.asking_version, message.asking_number


def check_askers(fold, inputs):
    """Each step leads back to the event of its order that asked for it, and to what caused that."""
    numbers = Counter()
    for (context, _), (_, steps) in inputs.items():
        for message in steps.first_time():
            name, body = body_of(message)
            version, number = asker_of(message)
            if name in (None, "order_timeout"):
                continue
            order = body.payment_id if context == "payments" else body.order_id
            if not 1 <= version <= fold.versions["orders", order] or number < 1:
                fold.odd(f"{name} of {order}: its event {version} did not ask, as number {number}")
            meta = message.metadata
            if context != "orders":
                numbers[order, version, number] += 1
                cause = fold.asked_because.get((order, version))
                if meta.causation_id != cause:
                    fold.odd(f"step {meta.command_id} says that {meta.causation_id} caused it, and it was {cause}")
            elif meta.command_id != meta.causation_id + "/r":
                fold.odd(f"the answer {meta.command_id} says that {meta.causation_id} caused it")
    for (order, version, number), times in numbers.items():
        if times > 1 or (number > 1 and (order, version, number - 1) not in numbers):
            fold.odd(f"event {version} of {order} asked {times} times as number {number}")


def check_partition(fold, context, partition, events, commands, steps):
    """Causes, receipts and outcomes of one events partition."""
    causes, last_cause, open_causes, furthest = {}, None, [], {}
    last, sums = None, Counter()
    refused = repeated = 0
    for offset, key, value, _ in events:
        where = f"{context} events {partition}@{offset}"
        event = CLASSES[context, "event"]()
        event.ParseFromString(value)
        name, body = body_of(event)
        if name == "receipt":
            first = (body.commands_first, body.steps_first)
            if first != (last or (0, 0)):
                fold.odd(f"{where}: the receipt begins at {first}, the one before ended at {last}")
            last = (body.commands_next, body.steps_next)
            for source, (at, _) in open_causes:
                low, high = ((body.commands_first, body.commands_next) if source == COMMANDS
                             else (body.steps_first, body.steps_next))
                if not low <= at < high:
                    fold.odd(f"{where}: the receipt covers {low} to {high}, but an event before it has cause {at}")
            open_causes = []
            for field in ("decided", "refused", "repeated", "ignored", "passed_on", "dead_lettered"):
                sums[field] += getattr(body, field)
            continue
        cause = (event.cause.source, (event.cause.offset, event.cause.place))
        if event.cause.index == 0:
            if cause in causes:
                fold.odd(f"{where}: the input {cause} has a second outcome")
            if cause[1] <= furthest.get(cause[0], (-1, 0)):
                fold.odd(f"{where}: the input {cause} is decided after {furthest[cause[0]]}")
            furthest[cause[0]] = cause[1]
            open_causes.append(cause)
        elif cause != last_cause or event.cause.index != causes[cause] + 1:
            fold.odd(f"{where}: index {event.cause.index} of the input {cause} is not in its place")
        causes[cause], last_cause = event.cause.index, cause
        inputs = commands if cause[0] == COMMANDS else steps
        message = inputs.messages.get(cause[1])
        if cause[1] not in inputs.places:
            fold.odd(f"{where}: its cause {cause} is not in the log")
        elif message and message.metadata.command_id != event.metadata.command_id:
            fold.odd(f"{where}: its command id is not its cause's")
        elif message and asker_of(event.cause) != (asker_of(message) if cause[0] == STEPS else (0, 0)):
            fold.odd(f"{where}: {asker_of(event.cause)} asked, says the event, and its cause says another")

        kind = "accepted"
        if name in ("command_rejected", "command_repeated"):
            refused += name == "command_rejected"
            repeated += name == "command_repeated"
            kind = body.code if name == "command_rejected" else "repeated"
            fold.kinds[name] += 1
            if event.version != 0:
                fold.odd(f"{where}: {name} has version {event.version}")
        else:
            fold.apply(context, event, partition, where)
        if cause[0] == COMMANDS and event.cause.index == 0:
            aggregate = key.decode(errors="replace") if kind == "accepted" else body.aggregate_id
            fold.outcomes[context, aggregate, event.metadata.command_id].append(kind)
    if open_causes:
        fold.odd(f"{context} events {partition}: {len(open_causes)} events at the end have no receipt")
    taken = len(commands.places) + len(steps.places)
    if sum(sums.values()) != taken:
        fold.odd(f"{context} {partition}: {taken} inputs, but the receipts count {dict(sums)}")
    if (sums["refused"], sums["repeated"]) != (refused, repeated):
        fold.odd(f"{context} {partition}: {refused} refusals and {repeated} repeats, receipts count {dict(sums)}")
    if sums["decided"] + refused + repeated != len(causes):
        fold.odd(f"{context} {partition}: {len(causes)} inputs have events, receipts count {dict(sums)}")
    if last and commands.last_offset() >= last[0]:
        fold.odd(f"{context} {partition}: commands behind the last receipt, which ends at {last[0]}")
    if last and steps.last_offset() >= last[1]:
        fold.odd(f"{context} {partition}: steps behind the last receipt, which ends at {last[1]}")
    fold.receipts.update(sums)


def is_question(context, message):
    return context != "orders" and message.WhichOneof("body") is not None


def answered_by(message):
    """What a step to an order answers: groups of lines, or an ask by its id."""
    name, body = body_of(message)
    if name in ("stock_reserved_reply", "stock_released_reply"):
        return [(body.order_id, p) for p in range(64) if body.groups >> p & 1]
    if name == "stock_refused_reply":
        return [(body.order_id, body.partition)]
    return [] if name in (None, "order_timeout") else [message.metadata.command_id.removesuffix("/r")]


def check_steps(fold, inputs):
    """Each step is asked once and answered once, and perhaps once more whenever somebody published it again."""
    ids, asked, answered, again, unawaited = Counter(), Counter(), Counter(), Counter(), set()
    for (context, _), (_, steps) in inputs.items():
        for place, message in steps.messages.items():
            if not is_question(context, message):
                if context == "orders" and place not in steps.again:
                    answered.update(answered_by(message))
                continue
            name, body = body_of(message)
            ask = (body.order_id, body.partition) if context == "inventory" else message.metadata.command_id
            (again if place in steps.again else asked)[ask] += 1
            ids[message.metadata.command_id] += place not in steps.again
            if name == "capture_payment":
                unawaited.add(ask)
    for name, times in ids.items():
        if times > 1:
            fold.odd(f"step {name} was asked {times} times")
    for ask, times in asked.items():
        replies, most = answered.pop(ask, 0), times + again[ask]
        if replies != 0 if ask in unawaited else not times <= replies <= most:
            fold.odd(f"{ask} was asked {times} times and answered {replies} times")
    for ask, times in answered.items():
        fold.odd(f"{ask} was answered and never asked, {times} times")


def check_outcomes(fold, inputs):
    """One outcome of each id and aggregate, however often it came."""
    for name, kinds in fold.outcomes.items():
        first = [kind for kind in kinds if kind not in ("repeated", "COMMAND_ID_REUSED")]
        if len(first) != 1 or kinds[0] != first[0]:
            fold.odd(f"{'/'.join(name)} has the outcomes {kinds}")
    ids = {(context, m.metadata.command_id) for (context, _), (commands, _) in inputs.items()
           for m in commands.messages.values() if m.WhichOneof("body") and m.metadata.command_id}
    with_outcome = {(context, command) for context, _, command in fold.outcomes}
    fold.unanswered = ids - with_outcome  # dead letters


def compare_rows(fold, pipeline):
    statuses = CLASSES["orders", "event"].DESCRIPTOR.fields_by_name
    status = {v.number: v.name.removeprefix("ORDER_STATUS_")
              for v in statuses["status"].enum_type.values}
    saga = {v.number: v.name.removeprefix("SAGA_STATE_").lower()
            for v in statuses["saga_state"].enum_type.values}
    def version(context, name):
        return str(fold.versions[context, name])
    tables = {
        "orders": ({k: [status[v[0]], saga[v[1]], str(v[2]), version("orders", k)] for k, v in fold.orders.items()},
                   "SELECT order_id, status, saga_state, payment, version FROM orderlog.orders"),
        "stock": ({k: [str(v[0]), str(v[1]), version("inventory", k)] for k, v in fold.stock.items()},
                  "SELECT sku, on_hand, reserved, version FROM orderlog.stock"),
        "accounts": ({k: [*map(str, v), version("payments", k)] for k, v in fold.wallets.items()},
                     "SELECT customer_id, balance_minor, held_minor, spent_minor, version FROM orderlog.accounts"),
        "payments": ({k: [str(v)] for k, v in fold.charged.items()},
                     "SELECT payment_id, amount_minor FROM orderlog.payments "
                     "WHERE charged_version IS NOT NULL AND reversed_at IS NULL"),
    }
    for table, (expected, query) in tables.items():
        found = {row[0]: row[1:] for row in pipeline.sql(query)}
        for key in expected.keys() | found.keys():
            if expected.get(key) != found.get(key):
                fold.odd(f"{table} {key}: the events say {expected.get(key)}, the row {found.get(key)}")


def collect(pipeline):
    """{(context, stream): records per partition}"""
    return {(context, stream): read(pipeline.topic(context, stream), pipeline.partitions)
            for context in CONTEXTS for stream in ("commands", "steps", "events")}


def examine(pipeline, log, unanswered=0):
    """The fold of a settled pipeline's log, with all that is odd about it."""
    fold = Fold(pipeline.partitions)
    inputs = {}
    for context in CONTEXTS:
        for p in range(pipeline.partitions):
            inputs[context, p] = tuple(Inputs(context, stream, log[context, stream][p])
                                       for stream in ("commands", "steps"))
            check_partition(fold, context, p, log[context, "events"][p], *inputs[context, p])
    check_steps(fold, inputs)
    check_askers(fold, inputs)
    check_outcomes(fold, inputs)
    if len(fold.unanswered) != unanswered:
        fold.odd(f"{len(fold.unanswered)} command ids have no outcome: {sorted(fold.unanswered)[:5]}")
    compare_rows(fold, pipeline)
    return fold


def check_log(pipeline, name="a foreign reader finds every event once", unanswered=0):
    """Reads all of a settled pipeline. unanswered: how many command ids are dead letters."""
    fold = examine(pipeline, collect(pipeline), unanswered)
    note(f"foreign reader: {sum(fold.kinds.values())} events, receipts {dict(fold.receipts)}")
    check(name, not fold.findings, fold.findings)
    return fold
