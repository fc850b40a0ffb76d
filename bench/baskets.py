#!/usr/bin/env python3
"""bench/baskets.py - other orders made of the sample's, by rule: baskets.csv on standard output.

    baskets.py SAMPLE repeat --orders N [--round R] [--rate PER_SECOND]
    baskets.py SAMPLE uniform | skewed --orders N

SAMPLE is a folder of deploy/local/convert.py.

repeat    its orders from the first on, as often as it takes for N; those of round 0 keep their ids, those
          of round 7 are called <id>-7. Products, customers and times stay. With a rate each is printed
          when it is due.
uniform   its first N orders; each line's SKU is drawn from all products, with a fixed seed, none twice in
          an order
skewed    the same, but of every 100 orders 80 (drawn too) have the hot SKU in their first line if they
          have it nowhere else. Both have the same orders, lines, quantities and amounts.

What the pipeline must make of it, if stock and funds are plentiful, goes as one line to the end of
--sums FILE: orders, confirmed ones, units and minor units of those, orders with the hot SKU, its units, and
the hot SKU ('-' if there is none). Orders with a product that is not listed are refused.
"""

import argparse
import csv
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HEADER = "basket_id,customer_id,placed_at,line_no,sku,quantity,amount_minor,currency"
SKU, QUANTITY, AMOUNT = 3, 4, 5  # of what stands behind the basket's id
HOT_PERCENT = 80
SEED = 12
TELL_EVERY_S = 30


@dataclass
class Sums:
    orders: int = 0
    confirmed: int = 0
    units: int = 0
    minor: int = 0
    hot_orders: int = 0
    hot_units: int = 0
    hot: str = "-"

    def add(self, lines, listed, times=1):
        """An order, so often: its lines as lists of fields."""
        self.orders += times
        if not all(line[SKU] in listed for line in lines):
            return
        self.confirmed += times
        self.units += times * sum(int(line[QUANTITY]) for line in lines)
        self.minor += times * sum(int(line[AMOUNT]) for line in lines)
        hot_units = sum(int(line[QUANTITY]) for line in lines if line[SKU] == self.hot)
        self.hot_orders += times * (hot_units > 0)
        self.hot_units += times * hot_units

    def __str__(self):
        return (f"{self.orders} {self.confirmed} {self.units} {self.minor} "
                f"{self.hot_orders} {self.hot_units} {self.hot}")


def read_products(folder):
    with open(folder / "products.csv", encoding="utf-8", newline="") as file:
        return [row["sku"] for row in csv.DictReader(file)]


def read_baskets(folder, orders):
    """The first baskets: [(id, [fields behind the id, line by line])]."""
    baskets = []
    with open(folder / "baskets.csv", encoding="utf-8", newline="") as file:
        if file.readline().rstrip("\r\n") != HEADER:
            sys.exit("baskets.py: the columns are not those that convert.py writes")
        for line in file:
            if '"' in line:
                sys.exit(f"baskets.py: a quoted field: {line.rstrip()}")
            basket, *fields = line.rstrip("\r\n").split(",")
            if not baskets or baskets[-1][0] != basket:
                if len(baskets) == orders:
                    break
                baskets.append((basket, []))
            baskets[-1][1].append(fields)
    return baskets


class Progress:
    """To standard error, now and then."""

    def __init__(self, orders):
        self.orders, self.at = orders, time.monotonic() + TELL_EVERY_S

    def tell(self, done):
        if time.monotonic() >= self.at:
            self.at += TELL_EVERY_S
            print(f"         {done:,} of {self.orders:,} orders published", file=sys.stderr)


# ---- repeat -------------------------------------------------------------------------------------


def repeat(folder, orders, first_round, rate):
    listed, sums, progress = set(read_products(folder)), Sums(), Progress(orders)
    # Each order's text once, with a mark where its id stands.
    baskets = read_baskets(folder, orders)
    texts = [(basket, "".join(f"\0,{','.join(fields)}\r\n" for fields in lines))
             for basket, lines in baskets]
    for place, (_, lines) in enumerate(baskets):
        sums.add(lines, listed, len(range(place, orders, len(baskets))))
    began = time.monotonic()
    for done in range(orders):
        if rate:
            sys.stdout.flush()
            time.sleep(max(0.0, began + done / rate - time.monotonic()))
        turn, place = divmod(done, len(texts))
        basket, text = texts[place]
        turn += first_round
        sys.stdout.write(text.replace("\0", f"{basket}-{turn}" if turn else basket))
        if done % 1024 == 0:
            progress.tell(done)
    return sums


# ---- uniform, skewed ----------------------------------------------------------------------------


def drawn(dice, products, count):
    """So many different SKUs."""
    if count > len(products):
        sys.exit(f"baskets.py: an order has {count} lines, the list {len(products)} products")
    return dice.sample(products, count)


def rewrite(folder, orders, skewed):
    products, dice = read_products(folder), random.Random(SEED)
    baskets, listed = read_baskets(folder, orders), set(products)
    if len(baskets) < orders:
        sys.exit(f"baskets.py: the sample has {len(baskets)} orders, not {orders}")
    sums = Sums(hot=dice.choice(products))
    # Drawn in both arms, so that all that is drawn later is the same.
    hot = set(dice.sample(range(orders), orders * HOT_PERCENT // 100))
    for place, (basket, lines) in enumerate(baskets):
        skus = drawn(dice, products, len(lines))
        if skewed and place in hot and sums.hot not in skus:
            skus[0] = sums.hot
        for fields, sku in zip(lines, skus, strict=True):
            fields[SKU] = sku
            sys.stdout.write(f"{basket},{','.join(fields)}\r\n")
        sums.add(lines, listed)
    return sums


def main():
    parser = argparse.ArgumentParser(description="Other orders made of the sample's, by rule.")
    parser.add_argument("sample", type=Path)
    parser.add_argument("rule", choices=("repeat", "uniform", "skewed"))
    parser.add_argument("--orders", type=int, required=True, metavar="N")
    parser.add_argument("--round", type=int, default=0, metavar="R", help="of repeat: the first one")
    parser.add_argument("--rate", type=int, default=0, metavar="N", help="of repeat: orders a second")
    parser.add_argument("--sums", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(encoding="utf-8", newline="")
    sys.stdout.write(HEADER + "\r\n")
    if arguments.rule == "repeat":
        sums = repeat(arguments.sample, arguments.orders, arguments.round, arguments.rate)
    else:
        sums = rewrite(arguments.sample, arguments.orders, arguments.rule == "skewed")
    sys.stdout.flush()
    with open(arguments.sums, "a", encoding="utf-8") as file:
        print(sums, file=file)


main()
