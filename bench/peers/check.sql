-- bench/peers/check.sql: a peer's tables against the sample that it was given. Run in the sample's
-- folder with -v orders=N (the first N orders). Prints a line for each fault with its count, or
-- nothing. The sample must be plentiful: then an order is confirmed if all its products are on the
-- list, else rejected, and nothing depends on who came first.
\set ON_ERROR_STOP on
SET work_mem = '256MB';

CREATE TEMP TABLE products (sku bigint, name text, category text, brand text, price_minor bigint,
    currency text, stock bigint);
CREATE TEMP TABLE funds (customer_id bigint, currency text, funds_minor bigint);
CREATE TEMP TABLE baskets (basket_id bigint, customer_id bigint, placed_at timestamptz, line_no int,
    sku bigint, quantity bigint, amount_minor bigint, currency text);
\copy products FROM 'products.csv' (FORMAT csv, HEADER match)
\copy funds FROM 'accounts.csv' (FORMAT csv, HEADER match)
\copy baskets FROM 'baskets.csv' (FORMAT csv, HEADER match)
ANALYZE products, funds, baskets;

CREATE TEMP TABLE wanted_orders AS
SELECT basket_id AS order_id, min(baskets.customer_id) AS customer_id,
       CASE WHEN count(products.sku) = count(*) THEN 2 ELSE 3 END AS status,
       sum(amount_minor)::bigint AS total_cents, count(*)::int AS line_count,
       (extract(epoch FROM min(placed_at)) * 1000)::bigint AS placed_at
  FROM baskets LEFT JOIN products USING (sku)
 GROUP BY basket_id
 ORDER BY min(placed_at), basket_id -- the file's order
 LIMIT :orders;

CREATE TEMP TABLE wanted_lines AS
SELECT order_id, line_no, sku, quantity AS qty, amount_minor AS amount_cents, status
  FROM baskets JOIN wanted_orders ON order_id = basket_id;

CREATE TEMP TABLE wanted_stock AS
SELECT sku, stock AS on_hand, coalesce(sum(qty) FILTER (WHERE status = 2), 0)::bigint AS reserved
  FROM products LEFT JOIN wanted_lines USING (sku)
 GROUP BY sku, stock;

CREATE TEMP TABLE wanted_accounts AS
SELECT customer_id,
       (funds_minor - coalesce(sum(total_cents) FILTER (WHERE status = 2), 0))::bigint
           AS balance_cents,
       1 + count(*) FILTER (WHERE status = 2) AS version
  FROM funds LEFT JOIN wanted_orders USING (customer_id)
 GROUP BY customer_id, funds_minor;

CREATE TEMP TABLE wanted_entries AS
SELECT customer_id, 0 AS order_id, funds_minor AS amount_cents FROM funds
 UNION ALL
SELECT customer_id, order_id, -total_cents FROM wanted_orders WHERE status = 2;

WITH faults (fault, count) AS (
    SELECT 'orders', count(*) FROM (
        (TABLE orders EXCEPT ALL TABLE wanted_orders)
         UNION ALL (TABLE wanted_orders EXCEPT ALL TABLE orders)) o
    UNION ALL
    SELECT 'order lines', count(*) FROM (
        (TABLE order_lines EXCEPT ALL
         SELECT order_id, line_no, sku, qty, amount_cents FROM wanted_lines)
         UNION ALL
        (SELECT order_id, line_no, sku, qty, amount_cents FROM wanted_lines
         EXCEPT ALL TABLE order_lines)) l
    UNION ALL
    SELECT 'stock', count(*)
      FROM stock s FULL JOIN wanted_stock w USING (sku)
     WHERE (s.on_hand, s.reserved) IS DISTINCT FROM (w.on_hand, w.reserved)
    UNION ALL
    SELECT 'stock versions', count(*)
      FROM stock s JOIN (SELECT sku, count(*) FILTER (WHERE status = 2) AS moves
                           FROM products LEFT JOIN wanted_lines USING (sku) GROUP BY sku) w
        USING (sku)
     WHERE s.version < 1 + w.moves
    UNION ALL
    SELECT 'accounts', count(*) FROM (
        (TABLE accounts EXCEPT ALL TABLE wanted_accounts)
         UNION ALL (TABLE wanted_accounts EXCEPT ALL TABLE accounts)) a
    UNION ALL
    SELECT 'ledger entries', count(*) FROM (
        (SELECT customer_id, order_id, amount_cents FROM ledger_entries
         EXCEPT ALL TABLE wanted_entries)
         UNION ALL
        (TABLE wanted_entries EXCEPT ALL
         SELECT customer_id, order_id, amount_cents FROM ledger_entries)) e
    UNION ALL
    SELECT 'ledger balances', count(*)
      FROM (SELECT seq, balance_cents,
                   row_number() OVER in_order AS place, sum(amount_cents) OVER in_order AS balance
              FROM ledger_entries
            WINDOW in_order AS (PARTITION BY customer_id ORDER BY seq)) b
     WHERE seq <> place OR balance_cents <> balance)
SELECT fault, count FROM faults WHERE count > 0;
