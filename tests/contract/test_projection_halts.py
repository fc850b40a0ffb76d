#!/usr/bin/env python3
"""test_projection_halts.py - what the projector can't apply halts one partition, loudly; the others go on.

Rows that are not what the events build on, a record that is no event, a log that is not the one that
was projected, and one that ends too soon. And two projectors: a taken slot, and a shared group. And
what an open transaction hides.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system", "lib"))
import harness  # noqa: E402
from confluent_kafka import Producer  # noqa: E402
from harness import Pipeline, check, same, wait_until  # noqa: E402

SKU, CUSTOMERS, ORDERS = "tea", 24, 60


def stock():
    return [{"addProduct": {"sku": SKU, "details": {"name": "Tea", "priceMinor": "5", "currency": "USD"}}},
            {"increaseStock": {"sku": SKU, "quantity": "100000"}}]


def wallets():
    for number in range(CUSTOMERS):
        yield {"openAccount": {"customerId": f"c-{number}", "currency": "USD"}}
        yield {"depositFunds": {"customerId": f"c-{number}", "amountMinor": "100000", "currency": "USD"}}


def order(name, customer):
    return {"placeOrder": {"orderId": name, "customerId": customer, "currency": "USD",
                           "lines": [{"sku": SKU, "quantity": "1", "amountMinor": "5"}]}}


def reasons(projector):
    return json.loads(projector.get("/readyz")[1])["reasons"]


def halted(pipeline, projector):
    """{context/partition} by the gauge."""
    return {f"{context}/{p}" for context in harness.CONTEXTS for p in range(pipeline.partitions)
            if projector.metric("orderlog_partition_halted", topic=pipeline.topic(context, "events"),
                                partition=str(p)) == 1}


def lag(pipeline, projector, context, partition=None):
    labels = {"topic": pipeline.topic(context, "events")}
    if partition is not None:
        labels["partition"] = str(partition)
    return projector.metric("orderlog_lag_records", **labels)


def place(pipeline, name, count, words=("--wait", "--settled", "--json")):
    pipeline.submit(*(order(f"{name}-{i}", f"c-{i % CUSTOMERS}") for i in range(count)), words=words)


def shared_group(pipeline):
    first = pipeline.projector(0).wait_ready()
    taken = pipeline.projector(0)
    same("a second process on the same slot exits 4", taken.ended(), 4)
    check("and says whose slot it is", "taken by another process" in taken.log(), taken.tail())

    second = pipeline.projector(1).wait_ready()

    def owned(projector):
        return sum(1 for line in projector.get("/metrics")[1].splitlines()
                   if line.startswith("orderlog_lag_records{"))
    wait_until(lambda: owned(first) == owned(second) == 6, "two slots share the partitions")
    place(pipeline, "shared", ORDERS)
    pipeline.settle()
    both = [projector.metric("orderlog_projected_events_total") for projector in (first, second)]
    check("two slots project at the same time", min(both) > 0, both)
    same("one leaves with 0", second.end(), 0)
    wait_until(lambda: owned(first) == 12, "the other one has all partitions")
    place(pipeline, "after", ORDERS)
    pipeline.settle()
    same("nothing is halted", halted(pipeline, first), set())
    pipeline.verify("rows are the log's after two projectors")
    return first


def open_transaction(pipeline, worker, projector):
    """Somebody else's, which comes to nothing in the end."""
    topic = pipeline.topic("inventory", "events")

    def hidden(role):
        return role.metric("orderlog_stable_offset_lag", topic=topic, partition="3")
    producer = Producer({"bootstrap.servers": os.environ["ORDERLOG_KAFKA_BROKERS"],
                         "transactional.id": f"{pipeline.prefix}-open"})
    producer.init_transactions(30)
    wait_until(lambda: hidden(worker) == hidden(projector) == 0, "nothing is hidden")
    producer.begin_transaction()
    producer.produce(topic, partition=3, key=b"x", value=b"x")
    producer.flush(30)
    wait_until(lambda: hidden(projector) == 1, "the projector's gauge rises")
    check("the projector shows what an open transaction hides", True)
    wait_until(lambda: hidden(worker) == 1, "the worker's gauge rises")
    check("so does the worker", True)
    producer.abort_transaction(30)
    wait_until(lambda: hidden(worker) == hidden(projector) == 0, "both fall")
    check("nothing is hidden once it has ended", True)


def damaged_row(pipeline, projector):
    """One wallet's version is another than the log says."""
    customer, partition = pipeline.sql("SELECT customer_id, partition FROM orderlog.accounts ORDER BY 1")[0]
    others = pipeline.number(f"SELECT count(*) FROM orderlog.accounts WHERE partition <> {partition}")
    pipeline.sql(f"UPDATE orderlog.accounts SET version = version + 1 WHERE customer_id = '{customer}'")
    place(pipeline, "damaged", CUSTOMERS)
    wait_until(lambda: halted(pipeline, projector) == {f"payments/{partition}"}, "the partition is halted")
    check("a row that is not what the events build on halts its partition", True)
    check("the reason names it", any(f"payments.events.v1/{partition}" in reason and customer in reason
                                     for reason in reasons(projector)), reasons(projector))
    charged = ("SELECT count(*) FROM orderlog.payments p JOIN orderlog.accounts a USING (customer_id) "
                f"WHERE a.partition <> {partition} AND order_id LIKE 'damaged-%' AND p.status = 'CHARGED'")
    wait_until(lambda: pipeline.number(charged) == others, "the other partitions go on")
    check("the other partitions of the context go on", True)
    wait_until(lambda: lag(pipeline, projector, "orders") == lag(pipeline, projector, "inventory") == 0,
               "so do the other contexts")
    wait_until(lambda: lag(pipeline, projector, "payments", partition) > 0, "its lag shows")
    check("its lag shows", True)

    pipeline.sql(f"UPDATE orderlog.accounts SET version = version - 1 WHERE customer_id = '{customer}'")
    same("it can be stopped", projector.end(), 0)
    projector = pipeline.projector(0).wait_ready()
    pipeline.settle()
    pipeline.verify("once the row is repaired, a restart projects the rest")
    return projector


def no_event(pipeline, projector):
    """Somebody else writes into the truth."""
    producer = Producer({"bootstrap.servers": os.environ["ORDERLOG_KAFKA_BROKERS"]})
    producer.produce(pipeline.topic("orders", "events"), partition=1, key=b"x", value=b"\xff\xffgarbage")
    producer.flush(30)
    wait_until(lambda: halted(pipeline, projector) == {"orders/1"}, "the partition is halted")
    check("a record that is no event halts its partition", True)
    status, _ = projector.get("/readyz")
    same("the projector says that it is not ready", status, 503)
    same("and that it lives", projector.get("/livez")[0], 200)
    before = pipeline.number("SELECT count(*) FROM orderlog.orders")
    place(pipeline, "garbage", ORDERS, words=("--wait", "--json"))
    wait_until(lambda: lag(pipeline, projector, "payments") == lag(pipeline, projector, "inventory") == 0
               and pipeline.number("SELECT count(*) FROM orderlog.orders") > before,
               "the other partitions go on")
    same("the partition's rows stay as they were", pipeline.number(
        "SELECT count(*) FROM orderlog.orders WHERE partition = 1 AND order_id LIKE 'garbage-%'"), 0)
    same("it can be stopped", projector.end(), 0)


def another_log(pipeline):
    """The database remembers another last event than the log has, and one that the log never had."""
    payments, inventory = pipeline.topic("payments", "events"), pipeline.topic("inventory", "events")
    pipeline.sql("UPDATE orderlog.projection_progress SET last_digest = last_digest + 1 "
                 f"WHERE topic = '{payments}' AND partition = 2")
    partition = pipeline.number(f"SELECT partition FROM orderlog.projection_progress "
                                f"WHERE topic = '{inventory}' AND next_offset > 0")
    pipeline.sql("UPDATE orderlog.projection_progress SET last_offset = last_offset + 100000, "
                 f"next_offset = next_offset + 100000 WHERE topic = '{inventory}' AND next_offset > 0")
    projector = pipeline.projector(0)
    wait_until(lambda: halted(pipeline, projector) >= {"payments/2", f"inventory/{partition}"},
               "both partitions are halted")
    check("a log that is not the one that was projected halts", any(
        "payments.events.v1/2" in reason and "another event" in reason for reason in reasons(projector)),
        reasons(projector))
    check("so does one that ends before what was projected", any(
        f"inventory.events.v1/{partition}" in reason for reason in reasons(projector)), reasons(projector))
    same("it can be stopped", projector.end(), 0)


def main():
    pipeline = Pipeline().make()
    worker = pipeline.worker(0)
    pipeline.submit(*stock(), *wallets())
    projector = shared_group(pipeline)
    open_transaction(pipeline, worker, projector)
    projector = damaged_row(pipeline, projector)
    no_event(pipeline, projector)
    another_log(pipeline)


harness.run(main)
