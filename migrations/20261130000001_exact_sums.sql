-- Readers that know no numeric without a precision take it for a floating-point number (DuckDB: DOUBLE),
-- and above 2^53 the last digits are wrong without a word. 38 digits hold any sum of int64.
-- migrate:up
DROP VIEW analytics.sales_by_day, analytics.sales_by_product, analytics.sales_by_customer,
    analytics.order_states;

CREATE VIEW analytics.sales_by_day AS
    SELECT (o.placed_at AT TIME ZONE 'UTC')::date AS day, o.currency, count(*) AS orders,
           sum((SELECT sum(q) FROM unnest(b.quantities) q))::numeric(38, 0) AS units,
           sum(o.total_minor)::numeric(38, 0) AS amount_minor
      FROM orderlog.orders o JOIN orderlog.order_baskets b USING (order_id)
     WHERE o.status = 'CONFIRMED'
     GROUP BY 1, 2;
COMMENT ON VIEW analytics.sales_by_day IS 'Confirmed orders by the UTC day they were placed on.';
COMMENT ON COLUMN analytics.sales_by_day.day IS 'The UTC day, by the publisher''s clock.';
COMMENT ON COLUMN analytics.sales_by_day.currency IS 'ISO 4217 code of the amount.';
COMMENT ON COLUMN analytics.sales_by_day.orders IS 'Confirmed orders.';
COMMENT ON COLUMN analytics.sales_by_day.units IS 'Units in them.';
COMMENT ON COLUMN analytics.sales_by_day.amount_minor IS 'Their totals, in minor units.';

CREATE VIEW analytics.sales_by_product AS
    SELECT s.sku, p.name, p.category, p.brand, s.currency, s.orders, s.units, s.amount_minor
      FROM (SELECT l.sku, o.currency, count(*) AS orders, sum(l.quantity)::numeric(38, 0) AS units,
                   sum(l.amount_minor)::numeric(38, 0) AS amount_minor
              FROM orderlog.orders o JOIN orderlog.order_baskets b USING (order_id),
                   unnest(b.skus, b.quantities, b.amounts) AS l (sku, quantity, amount_minor)
             WHERE o.status = 'CONFIRMED'
             GROUP BY l.sku, o.currency) s
      LEFT JOIN orderlog.products p ON p.sku = s.sku;
COMMENT ON VIEW analytics.sales_by_product IS
    'Confirmed orders by product. Joins orders and inventory, which may be a moment apart.';
COMMENT ON COLUMN analytics.sales_by_product.sku IS 'The product''s id.';
COMMENT ON COLUMN analytics.sales_by_product.name IS 'Name.';
COMMENT ON COLUMN analytics.sales_by_product.category IS 'Category.';
COMMENT ON COLUMN analytics.sales_by_product.brand IS 'Brand.';
COMMENT ON COLUMN analytics.sales_by_product.currency IS 'ISO 4217 code of the amount.';
COMMENT ON COLUMN analytics.sales_by_product.orders IS 'Confirmed orders that name it.';
COMMENT ON COLUMN analytics.sales_by_product.units IS 'Units in them.';
COMMENT ON COLUMN analytics.sales_by_product.amount_minor IS 'What they cost, in minor units.';

CREATE VIEW analytics.sales_by_customer AS
    SELECT o.customer_id, o.currency, count(*) AS orders, sum(o.total_minor)::numeric(38, 0) AS amount_minor,
           min(o.placed_at) AS first_at, max(o.placed_at) AS last_at
      FROM orderlog.orders o
     WHERE o.status = 'CONFIRMED'
     GROUP BY o.customer_id, o.currency;
COMMENT ON VIEW analytics.sales_by_customer IS 'Confirmed orders by customer.';
COMMENT ON COLUMN analytics.sales_by_customer.customer_id IS 'The customer.';
COMMENT ON COLUMN analytics.sales_by_customer.currency IS 'ISO 4217 code of the amount.';
COMMENT ON COLUMN analytics.sales_by_customer.orders IS 'Confirmed orders.';
COMMENT ON COLUMN analytics.sales_by_customer.amount_minor IS 'Their totals, in minor units.';
COMMENT ON COLUMN analytics.sales_by_customer.first_at IS 'When the first of them was placed, by the publisher''s clock.';
COMMENT ON COLUMN analytics.sales_by_customer.last_at IS 'When the last of them was placed, by the publisher''s clock.';

CREATE VIEW analytics.order_states AS
    SELECT o.status, o.saga_state, o.currency, count(*) AS orders, sum(o.total_minor)::numeric(38, 0) AS amount_minor
      FROM orderlog.orders o
     GROUP BY o.status, o.saga_state, o.currency;
COMMENT ON VIEW analytics.order_states IS 'How many orders stand where.';
COMMENT ON COLUMN analytics.order_states.status IS 'PLACED, RESERVED, CONFIRMED, REJECTED or CANCELLED.';
COMMENT ON COLUMN analytics.order_states.saga_state IS 'running, undoing, done, undone or stuck.';
COMMENT ON COLUMN analytics.order_states.currency IS 'ISO 4217 code of the amount.';
COMMENT ON COLUMN analytics.order_states.orders IS 'Orders.';
COMMENT ON COLUMN analytics.order_states.amount_minor IS 'Their totals, in minor units.';

GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO orderlog_owner, orderlog_analyst;

-- migrate:down
-- The views go with their schema, in the file that made it.
