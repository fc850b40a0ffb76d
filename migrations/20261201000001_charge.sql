-- A wallet pays in one event, and is given back what was not refunded by another; orders say how they
-- are paid. What stood before was authorised.
-- migrate:up
ALTER TABLE orderlog.orders ADD COLUMN payment_row smallint NOT NULL DEFAULT 2;
ALTER TABLE orderlog.orders ALTER COLUMN payment_row DROP DEFAULT;
COMMENT ON COLUMN orderlog.orders.payment_row IS
    'How the order is paid: 1 charged at once, 2 authorised and captured once it is confirmed.';
COMMENT ON COLUMN orderlog.orders.payment IS
    'Where the payment stands: 0 not asked, 1 asked, 2 authorised, 3 declined, 4 asked back, 5 given back, 6 charged, 7 asked and past the deadline.';

ALTER TABLE orderlog.accounts ADD COLUMN spent_minor bigint NOT NULL DEFAULT 0 CHECK (spent_minor >= 0);
UPDATE orderlog.accounts a SET spent_minor = p.spent
  FROM (SELECT customer_id, sum(amount_minor - refunded_minor) AS spent FROM orderlog.payments
         WHERE captured_version IS NOT NULL GROUP BY customer_id) p
 WHERE p.customer_id = a.customer_id;
ALTER TABLE orderlog.accounts ALTER COLUMN spent_minor DROP DEFAULT;
COMMENT ON COLUMN orderlog.accounts.spent_minor IS
    'What was charged or captured and did not come back, in minor units. With balance and held it is what came in less what went out.';

ALTER TABLE orderlog.payments
    ADD COLUMN charged_version bigint,
    ADD COLUMN reversed_version bigint,
    ADD COLUMN reversed_at timestamptz;
COMMENT ON COLUMN orderlog.payments.charged_version IS
    'The wallet''s version after charging, which was at recorded_at; null: never charged.';
COMMENT ON COLUMN orderlog.payments.reversed_version IS
    'The wallet''s version after giving back what was charged and not refunded; null: nothing came back.';
COMMENT ON COLUMN orderlog.payments.reversed_at IS 'When the reversing step was recorded; null: not reversed.';
COMMENT ON COLUMN orderlog.payments.amount_minor IS
    'What was asked, in minor units of the wallet; 0 where it was voided or reversed before it was asked.';
COMMENT ON COLUMN orderlog.payments.refunded_minor IS
    'How much of what was captured or charged was given back by refunds.';
COMMENT ON COLUMN orderlog.payments.status IS
    'CHARGED, REVERSED, AUTHORISED, DECLINED, CAPTURED, VOIDED or REFUNDED (in full).';

CREATE OR REPLACE VIEW orderlog.ledger_entries AS
    SELECT m.customer_id, m.version, l.account, l.debit_minor, l.credit_minor, m.payment_id, m.cause,
           m.recorded_at
      FROM (SELECT c.customer_id, c.version, c.payment_id, lower(c.kind) AS cause, c.amount_minor,
                   c.recorded_at,
                   CASE c.kind WHEN 'DEPOSIT' THEN 'external' WHEN 'WITHDRAW' THEN 'wallet'
                               ELSE 'revenue' END AS leaves,
                   CASE c.kind WHEN 'WITHDRAW' THEN 'external' ELSE 'wallet' END AS enters
              FROM orderlog.account_commands c
             WHERE c.kind IN ('DEPOSIT', 'WITHDRAW', 'REFUND')
            UNION ALL
            SELECT customer_id, charged_version, payment_id, 'charge', amount_minor, recorded_at,
                   'wallet', 'revenue'
              FROM orderlog.payments WHERE charged_version IS NOT NULL
            UNION ALL
            SELECT customer_id, reversed_version, payment_id, 'reverse', amount_minor - refunded_minor,
                   reversed_at, 'revenue', 'wallet'
              FROM orderlog.payments WHERE reversed_version IS NOT NULL
            UNION ALL
            SELECT customer_id, authorised_version, payment_id, 'authorise', amount_minor, recorded_at,
                   'wallet', 'held'
              FROM orderlog.payments WHERE authorised_version IS NOT NULL
            UNION ALL
            SELECT customer_id, captured_version, payment_id, 'capture', amount_minor, captured_at,
                   'held', 'revenue'
              FROM orderlog.payments WHERE captured_version IS NOT NULL
            UNION ALL
            SELECT customer_id, voided_version, payment_id, 'void', amount_minor, voided_at,
                   'held', 'wallet'
              FROM orderlog.payments WHERE voided_version IS NOT NULL AND authorised_version IS NOT NULL
           ) m,
           LATERAL (VALUES (m.leaves, m.amount_minor, 0::bigint), (m.enters, 0::bigint, m.amount_minor))
               AS l (account, debit_minor, credit_minor);
COMMENT ON COLUMN orderlog.ledger_entries.cause IS
    'deposit, withdraw, charge, reverse, authorise, capture, void or refund.';

CREATE OR REPLACE VIEW analytics.customer_balances AS
    SELECT a.customer_id, a.currency, a.balance_minor, a.held_minor, a.spent_minor
      FROM orderlog.accounts a;
COMMENT ON VIEW analytics.customer_balances IS 'What each wallet holds, and has spent.';
COMMENT ON COLUMN analytics.customer_balances.spent_minor IS
    'What was spent and did not come back, in minor units.';

-- migrate:down
-- Columns and views go with their schemas, in the files that made them.
