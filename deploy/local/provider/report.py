"""provider/report.py - the books, printed: what a script compares with orderlog's topics, id by id.

As JSON, one line a PaymentIntent between the brackets, with our own metadata on each:
    {"payment_intents": [{"id", "status", "amount", "currency", "received", "refunded", "metadata",
                          "charges": [...], "captures": [...], "refunds": [...], "releases": [...]}],
     "met": {rule: count}}
captures, refunds: each with its amount, the metadata that its request carried and its Idempotency-Key.
releases: holds that were given up, booked as refunds; no money went back by them.
"""
import json

TABLES = {
    "charges": "SELECT intent, id, status, amount, captured, capture_before, failure_code, decline_code"
               " FROM charge ORDER BY seq",
    "captures": "SELECT intent, seq, charge, amount, key, metadata, created FROM capture ORDER BY seq",
    "refunds": "SELECT intent, id, charge, amount, status, reason, failure_reason, key, metadata,"
               " created FROM refund WHERE NOT released ORDER BY seq",
    "releases": "SELECT intent, id, charge, amount, status, reason, created FROM refund"
                " WHERE released ORDER BY seq",
}
GONE = ("failed", "canceled")


def intents(books):
    parts = {name: {} for name in TABLES}
    for name, statement in TABLES.items():
        for row in books.all(statement):
            if "metadata" in row:
                row["metadata"] = json.loads(row["metadata"])
            parts[name].setdefault(row.pop("intent"), []).append(row)
    for row in books.all("SELECT id, created, status, amount, currency, capturable, received, metadata,"
                         " cancellation_reason FROM intent ORDER BY seq"):
        row["metadata"] = json.loads(row["metadata"])
        row.update({name: found.get(row["id"], []) for name, found in parts.items()})
        row["refunded"] = sum(refund["amount"] for refund in row["refunds"]
                              if refund["status"] not in GONE)
        yield row


def as_json(books, to):
    to.write('{"payment_intents": [')
    for at, row in enumerate(intents(books)):
        to.write(",\n " if at else "\n ")
        json.dump(row, to, ensure_ascii=False)
    rows = books.all("SELECT rule, sum(count) AS count FROM met GROUP BY rule ORDER BY rule")
    met = {row["rule"]: row["count"] for row in rows}
    to.write(f'\n], "met": {json.dumps(met, ensure_ascii=False)}}}\n')


def as_text(books, to):
    to.write(f"{'payment_intent':27}  {'status':23} {'amount':>12} {'received':>12} {'refunded':>12}\n")
    for row in intents(books):
        to.write(f"{row['id']:27}  {row['status']:23} {row['amount']:12} {row['received']:12}"
                 f" {row['refunded']:12} {row['currency']} {json.dumps(row['metadata'])}\n")
