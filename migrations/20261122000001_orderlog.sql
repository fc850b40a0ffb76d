-- The projection's tables: what the events add up to. Why they look like this: migrations/README.md.
-- The schema may be there already: schema_migrations is in it.
-- former sum: 537489b51af3e64f
-- migrate:up
CREATE SCHEMA IF NOT EXISTS orderlog;
COMMENT ON SCHEMA orderlog IS
    'What the event log adds up to. Written by the projector alone; a table holds one context''s events only.';

-- ---- how far --------------------------------------------------------------------------------

CREATE TABLE orderlog.installation (
    topic_prefix text COLLATE "C" PRIMARY KEY,
    partitions smallint NOT NULL CHECK (partitions BETWEEN 1 AND 64),
    cluster_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE orderlog.installation IS
    'What must never change under a running installation; compared at every start.';
COMMENT ON COLUMN orderlog.installation.topic_prefix IS 'First part of every topic''s name.';
COMMENT ON COLUMN orderlog.installation.partitions IS 'Partitions of every topic.';
COMMENT ON COLUMN orderlog.installation.cluster_id IS 'The Kafka cluster''s own id.';
COMMENT ON COLUMN orderlog.installation.created_at IS 'When this row was made.';

CREATE TABLE orderlog.projection_progress (
    topic text COLLATE "C" NOT NULL,
    partition smallint NOT NULL,
    projector_version smallint NOT NULL,
    has_receipt boolean NOT NULL DEFAULT false,
    next_offset bigint NOT NULL DEFAULT 0,
    last_offset bigint NOT NULL DEFAULT -1,
    last_digest bigint NOT NULL DEFAULT 0,
    last_recorded_at timestamptz,
    commands_first bigint NOT NULL DEFAULT 0,
    commands_next bigint NOT NULL DEFAULT 0,
    steps_first bigint NOT NULL DEFAULT 0,
    steps_next bigint NOT NULL DEFAULT 0,
    last_decided integer NOT NULL DEFAULT 0,
    last_refused integer NOT NULL DEFAULT 0,
    last_repeated integer NOT NULL DEFAULT 0,
    last_ignored integer NOT NULL DEFAULT 0,
    last_passed_on integer NOT NULL DEFAULT 0,
    last_dead_lettered integer NOT NULL DEFAULT 0,
    decided bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    repeated bigint NOT NULL DEFAULT 0,
    ignored bigint NOT NULL DEFAULT 0,
    passed_on bigint NOT NULL DEFAULT 0,
    dead_lettered bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE orderlog.projection_progress IS
    'How far each events partition is projected. Compared and set first in every batch: the fence between two projectors, and the only offsets that count.';
COMMENT ON COLUMN orderlog.projection_progress.topic IS 'The events topic.';
COMMENT ON COLUMN orderlog.projection_progress.partition IS 'The partition of the topic.';
COMMENT ON COLUMN orderlog.projection_progress.projector_version IS
    'Version of the program that wrote last; an older one refuses to write.';
COMMENT ON COLUMN orderlog.projection_progress.has_receipt IS 'Whether a receipt was projected yet.';
COMMENT ON COLUMN orderlog.projection_progress.next_offset IS
    'Every event below this offset is in the tables; none from it on.';
COMMENT ON COLUMN orderlog.projection_progress.last_offset IS 'Offset of the last event projected; -1: none.';
COMMENT ON COLUMN orderlog.projection_progress.last_digest IS
    'XXH3-64 of that event''s key and value bytes: tells a log that is not the one projected.';
COMMENT ON COLUMN orderlog.projection_progress.last_recorded_at IS 'When that event''s cause was recorded.';
COMMENT ON COLUMN orderlog.projection_progress.commands_first IS 'Last receipt: first commands offset it covers.';
COMMENT ON COLUMN orderlog.projection_progress.commands_next IS 'Last receipt: commands offset to go on from.';
COMMENT ON COLUMN orderlog.projection_progress.steps_first IS 'Last receipt: first steps offset it covers.';
COMMENT ON COLUMN orderlog.projection_progress.steps_next IS 'Last receipt: steps offset to go on from.';
COMMENT ON COLUMN orderlog.projection_progress.last_decided IS 'Last receipt: inputs that became events.';
COMMENT ON COLUMN orderlog.projection_progress.last_refused IS 'Last receipt: commands refused.';
COMMENT ON COLUMN orderlog.projection_progress.last_repeated IS 'Last receipt: commands answered with their first outcome.';
COMMENT ON COLUMN orderlog.projection_progress.last_ignored IS 'Last receipt: steps that had nothing to say any more.';
COMMENT ON COLUMN orderlog.projection_progress.last_passed_on IS 'Last receipt: inputs sent to their right partition.';
COMMENT ON COLUMN orderlog.projection_progress.last_dead_lettered IS 'Last receipt: inputs put aside.';
COMMENT ON COLUMN orderlog.projection_progress.decided IS 'All receipts: inputs that became events.';
COMMENT ON COLUMN orderlog.projection_progress.refused IS 'All receipts: commands refused.';
COMMENT ON COLUMN orderlog.projection_progress.repeated IS 'All receipts: commands answered with their first outcome.';
COMMENT ON COLUMN orderlog.projection_progress.ignored IS 'All receipts: steps that had nothing to say any more.';
COMMENT ON COLUMN orderlog.projection_progress.passed_on IS 'All receipts: inputs sent to their right partition.';
COMMENT ON COLUMN orderlog.projection_progress.dead_lettered IS 'All receipts: inputs put aside.';

-- ---- orders ---------------------------------------------------------------------------------

CREATE TABLE orderlog.orders (
    order_id text COLLATE "C" PRIMARY KEY,
    partition smallint NOT NULL,
    payment smallint NOT NULL,
    duplicates integer NOT NULL DEFAULT 0,
    conflicts integer NOT NULL DEFAULT 0,
    version bigint NOT NULL,
    event_offset bigint NOT NULL,
    command_digest bigint NOT NULL,
    total_minor bigint NOT NULL,
    groups_asked bigint NOT NULL,
    groups_reserved bigint NOT NULL,
    groups_refused bigint NOT NULL,
    groups_released bigint NOT NULL,
    placed_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    deadline timestamptz NOT NULL,
    settled_at timestamptz,
    currency char(3) NOT NULL,
    status text COLLATE "C" NOT NULL,
    saga_state text COLLATE "C" NOT NULL,
    reason text COLLATE "C",
    reason_sku text COLLATE "C",
    customer_id text COLLATE "C" NOT NULL,
    command_id text COLLATE "C" NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE orderlog.orders IS 'One row an order; its lines are in order_baskets (view order_lines). Context orders.';
COMMENT ON COLUMN orderlog.orders.order_id IS 'The order''s id.';
COMMENT ON COLUMN orderlog.orders.partition IS 'Partition of the orders topics that the order lives on.';
COMMENT ON COLUMN orderlog.orders.payment IS
    'Where the payment stands: 0 not asked, 1 asked, 2 authorised, 3 declined, 4 asked back, 5 given back.';
COMMENT ON COLUMN orderlog.orders.duplicates IS 'How often the placing command came again.';
COMMENT ON COLUMN orderlog.orders.conflicts IS 'How often its id came with another body.';
COMMENT ON COLUMN orderlog.orders.version IS 'Number of the order''s last event.';
COMMENT ON COLUMN orderlog.orders.event_offset IS 'Offset of the order''s last event on its partition.';
COMMENT ON COLUMN orderlog.orders.command_digest IS 'XXH3-64 of the placing command''s body.';
COMMENT ON COLUMN orderlog.orders.total_minor IS 'Sum of the lines'' amounts, in minor units.';
COMMENT ON COLUMN orderlog.orders.groups_asked IS 'Bit p: lines on inventory partition p were asked for.';
COMMENT ON COLUMN orderlog.orders.groups_reserved IS 'Bit p: the lines on inventory partition p were reserved.';
COMMENT ON COLUMN orderlog.orders.groups_refused IS 'Bit p: the lines on inventory partition p were refused.';
COMMENT ON COLUMN orderlog.orders.groups_released IS 'Bit p: the lines on inventory partition p were given back.';
COMMENT ON COLUMN orderlog.orders.placed_at IS
    'When it was placed, as its publisher claims; recorded_at where the publisher says nothing.';
COMMENT ON COLUMN orderlog.orders.recorded_at IS 'When the placing command was recorded (broker''s clock).';
COMMENT ON COLUMN orderlog.orders.deadline IS 'When the saga gives up, or counts as stuck; stale once it has ended.';
COMMENT ON COLUMN orderlog.orders.settled_at IS 'When the saga ended (done or undone); null while it is open.';
COMMENT ON COLUMN orderlog.orders.currency IS 'ISO 4217 code of all amounts.';
COMMENT ON COLUMN orderlog.orders.status IS 'PLACED, RESERVED, CONFIRMED, REJECTED or CANCELLED.';
COMMENT ON COLUMN orderlog.orders.saga_state IS 'running, undoing, done, undone or stuck.';
COMMENT ON COLUMN orderlog.orders.reason IS 'Stable code: why it was rejected or cancelled.';
COMMENT ON COLUMN orderlog.orders.reason_sku IS 'The SKU that the reason is about.';
COMMENT ON COLUMN orderlog.orders.customer_id IS 'The customer whose wallet pays.';
COMMENT ON COLUMN orderlog.orders.command_id IS 'Id of the command that placed it.';

-- Read at every take-over (deadlines), by saga list and by the gauges.
CREATE INDEX orders_open ON orderlog.orders (partition)
    WHERE saga_state IN ('running', 'undoing', 'stuck');
COMMENT ON INDEX orderlog.orders_open IS 'Orders whose saga is open: deadlines at a take-over, saga list.';

CREATE TABLE orderlog.order_baskets (
    order_id text COLLATE "C" PRIMARY KEY,
    skus text[] COLLATE "C" NOT NULL,
    quantities bigint[] NOT NULL,
    amounts bigint[] NOT NULL
) WITH (toast_tuple_target = 8160);
COMMENT ON TABLE orderlog.order_baskets IS
    'The lines of each order as arrays, written once (view order_lines). Context orders.';
COMMENT ON COLUMN orderlog.order_baskets.order_id IS 'The order''s id.';
COMMENT ON COLUMN orderlog.order_baskets.skus IS 'Line by line: what is bought.';
COMMENT ON COLUMN orderlog.order_baskets.quantities IS 'Line by line: how many units.';
COMMENT ON COLUMN orderlog.order_baskets.amounts IS 'Line by line: what the whole line costs, in minor units.';

CREATE TABLE orderlog.order_commands (
    order_id text COLLATE "C" NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    partition smallint NOT NULL,
    duplicates integer NOT NULL DEFAULT 0,
    conflicts integer NOT NULL DEFAULT 0,
    body_digest bigint NOT NULL,
    event_offset bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    code text COLLATE "C",
    message text,
    kind text COLLATE "C",
    version bigint,
    PRIMARY KEY (order_id, command_id)
);
COMMENT ON TABLE orderlog.order_commands IS
    'Commands to orders, but for those that placed one (orders.command_id). Context orders.';
COMMENT ON COLUMN orderlog.order_commands.order_id IS 'The order that the command named; there may be none.';
COMMENT ON COLUMN orderlog.order_commands.command_id IS 'The command''s id, unique within the order.';
COMMENT ON COLUMN orderlog.order_commands.partition IS 'Partition of the orders topics.';
COMMENT ON COLUMN orderlog.order_commands.duplicates IS 'How often the same command came again.';
COMMENT ON COLUMN orderlog.order_commands.conflicts IS 'How often its id came with another body.';
COMMENT ON COLUMN orderlog.order_commands.body_digest IS 'XXH3-64 of the command''s body.';
COMMENT ON COLUMN orderlog.order_commands.event_offset IS 'Offset of the outcome (its first event).';
COMMENT ON COLUMN orderlog.order_commands.recorded_at IS 'When the command was recorded (broker''s clock).';
COMMENT ON COLUMN orderlog.order_commands.outcome IS 'ACCEPTED or REJECTED.';
COMMENT ON COLUMN orderlog.order_commands.code IS 'Stable code of the refusal; null when accepted.';
COMMENT ON COLUMN orderlog.order_commands.message IS 'The refusal as a sentence.';
COMMENT ON COLUMN orderlog.order_commands.kind IS 'What an accepted command did: CANCEL.';
COMMENT ON COLUMN orderlog.order_commands.version IS 'The order''s version after it; null when refused.';

CREATE VIEW orderlog.order_lines AS
    SELECT b.order_id, l.line_no::integer AS line_no, l.sku, l.quantity, l.amount_minor
      FROM orderlog.order_baskets b,
           unnest(b.skus, b.quantities, b.amounts)
               WITH ORDINALITY AS l (sku, quantity, amount_minor, line_no);
COMMENT ON VIEW orderlog.order_lines IS 'One row a line of an order.';
COMMENT ON COLUMN orderlog.order_lines.order_id IS 'The order''s id.';
COMMENT ON COLUMN orderlog.order_lines.line_no IS 'Place of the line in the basket, from 1.';
COMMENT ON COLUMN orderlog.order_lines.sku IS 'What is bought.';
COMMENT ON COLUMN orderlog.order_lines.quantity IS 'How many units.';
COMMENT ON COLUMN orderlog.order_lines.amount_minor IS 'What the whole line costs, in minor units of the order''s currency.';

-- ---- inventory ------------------------------------------------------------------------------

CREATE TABLE orderlog.products (
    sku text COLLATE "C" PRIMARY KEY,
    partition smallint NOT NULL,
    listed boolean NOT NULL,
    duplicates integer NOT NULL DEFAULT 0,
    conflicts integer NOT NULL DEFAULT 0,
    price_minor bigint NOT NULL,
    details_hash bigint NOT NULL,
    command_digest bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    currency char(3) NOT NULL,
    name text NOT NULL,
    category text NOT NULL,
    brand text NOT NULL,
    command_id text COLLATE "C" NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE orderlog.products IS 'What people read about a product; its stock is in stock. Context inventory.';
COMMENT ON COLUMN orderlog.products.sku IS 'The product''s id.';
COMMENT ON COLUMN orderlog.products.partition IS 'Partition of the inventory topics that it lives on.';
COMMENT ON COLUMN orderlog.products.listed IS 'False once it was deleted.';
COMMENT ON COLUMN orderlog.products.duplicates IS 'How often the command that first added it came again.';
COMMENT ON COLUMN orderlog.products.conflicts IS 'How often that command''s id came with another body.';
COMMENT ON COLUMN orderlog.products.price_minor IS 'List price of one unit, in minor units.';
COMMENT ON COLUMN orderlog.products.details_hash IS 'FNV-1a of all details: tells a change that changes nothing.';
COMMENT ON COLUMN orderlog.products.command_digest IS 'XXH3-64 of the adding command''s body.';
COMMENT ON COLUMN orderlog.products.recorded_at IS 'When that command was recorded (broker''s clock).';
COMMENT ON COLUMN orderlog.products.currency IS 'ISO 4217 code of its price; orders in another are refused.';
COMMENT ON COLUMN orderlog.products.name IS 'Name.';
COMMENT ON COLUMN orderlog.products.category IS 'Category.';
COMMENT ON COLUMN orderlog.products.brand IS 'Brand.';
COMMENT ON COLUMN orderlog.products.command_id IS 'Id of the command that first added it.';

CREATE TABLE orderlog.stock (
    sku text COLLATE "C" PRIMARY KEY,
    partition smallint NOT NULL,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL,
    version bigint NOT NULL,
    event_offset bigint NOT NULL,
    CHECK (reserved >= 0 AND reserved <= on_hand)
) WITH (fillfactor = 50);
COMMENT ON TABLE orderlog.stock IS 'Units of each product, one row beside each of products. Context inventory.';
COMMENT ON COLUMN orderlog.stock.sku IS 'The product''s id.';
COMMENT ON COLUMN orderlog.stock.partition IS 'Partition of the inventory topics that it lives on.';
COMMENT ON COLUMN orderlog.stock.on_hand IS 'Units on the shelf, reserved ones included.';
COMMENT ON COLUMN orderlog.stock.reserved IS 'Units held for orders.';
COMMENT ON COLUMN orderlog.stock.version IS 'Number of the product''s last event.';
COMMENT ON COLUMN orderlog.stock.event_offset IS 'Offset of that event on its partition.';

CREATE TABLE orderlog.reservations (
    order_id text COLLATE "C" NOT NULL,
    partition smallint NOT NULL,
    event_offset bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    released_at timestamptz,
    status text COLLATE "C" NOT NULL,
    reason text COLLATE "C",
    reason_sku text COLLATE "C",
    skus text[] COLLATE "C" NOT NULL,
    quantities bigint[] NOT NULL,
    versions bigint[] NOT NULL,
    released_versions bigint[],
    PRIMARY KEY (order_id, partition)
) WITH (toast_tuple_target = 8160);
COMMENT ON TABLE orderlog.reservations IS
    'What one order holds on one inventory partition, its lines as arrays (view stock_movements). Context inventory.';
COMMENT ON COLUMN orderlog.reservations.order_id IS 'The order that asked.';
COMMENT ON COLUMN orderlog.reservations.partition IS 'The inventory partition that the lines live on.';
COMMENT ON COLUMN orderlog.reservations.event_offset IS 'Offset of the last event about it on that partition.';
COMMENT ON COLUMN orderlog.reservations.recorded_at IS 'When the first step about it was recorded (broker''s clock).';
COMMENT ON COLUMN orderlog.reservations.released_at IS 'When the releasing step was recorded; null: not released.';
COMMENT ON COLUMN orderlog.reservations.status IS 'HELD, REFUSED or RELEASED (also: released before it was ever held).';
COMMENT ON COLUMN orderlog.reservations.reason IS 'Stable code: why it was refused.';
COMMENT ON COLUMN orderlog.reservations.reason_sku IS 'The SKU that the reason is about.';
COMMENT ON COLUMN orderlog.reservations.skus IS 'Line by line: the product; empty where nothing was ever held.';
COMMENT ON COLUMN orderlog.reservations.quantities IS 'Line by line: units.';
COMMENT ON COLUMN orderlog.reservations.versions IS 'Line by line: the product''s version after reserving.';
COMMENT ON COLUMN orderlog.reservations.released_versions IS
    'Line by line: the product''s version after releasing; null: not released.';

CREATE TABLE orderlog.product_commands (
    sku text COLLATE "C" NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    partition smallint NOT NULL,
    duplicates integer NOT NULL DEFAULT 0,
    conflicts integer NOT NULL DEFAULT 0,
    body_digest bigint NOT NULL,
    event_offset bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    code text COLLATE "C",
    message text,
    kind text COLLATE "C",
    version bigint,
    quantity bigint,
    reason text,
    PRIMARY KEY (sku, command_id)
);
COMMENT ON TABLE orderlog.product_commands IS
    'Commands to products with what they moved, but for those that first added one (products.command_id). Context inventory.';
COMMENT ON COLUMN orderlog.product_commands.sku IS 'The product that the command named; there may be none.';
COMMENT ON COLUMN orderlog.product_commands.command_id IS 'The command''s id, unique within the product.';
COMMENT ON COLUMN orderlog.product_commands.partition IS 'Partition of the inventory topics.';
COMMENT ON COLUMN orderlog.product_commands.duplicates IS 'How often the same command came again.';
COMMENT ON COLUMN orderlog.product_commands.conflicts IS 'How often its id came with another body.';
COMMENT ON COLUMN orderlog.product_commands.body_digest IS 'XXH3-64 of the command''s body.';
COMMENT ON COLUMN orderlog.product_commands.event_offset IS 'Offset of the outcome.';
COMMENT ON COLUMN orderlog.product_commands.recorded_at IS 'When the command was recorded (broker''s clock).';
COMMENT ON COLUMN orderlog.product_commands.outcome IS 'ACCEPTED or REJECTED.';
COMMENT ON COLUMN orderlog.product_commands.code IS 'Stable code of the refusal; null when accepted.';
COMMENT ON COLUMN orderlog.product_commands.message IS 'The refusal as a sentence.';
COMMENT ON COLUMN orderlog.product_commands.kind IS
    'What an accepted command did: ADD (again), MODIFY, DELETE, INCREASE or DECREASE.';
COMMENT ON COLUMN orderlog.product_commands.version IS 'The product''s version after it; null when refused.';
COMMENT ON COLUMN orderlog.product_commands.quantity IS 'INCREASE and DECREASE: units.';
COMMENT ON COLUMN orderlog.product_commands.reason IS 'INCREASE and DECREASE: why, as the publisher says.';

CREATE VIEW orderlog.stock_movements AS
    SELECT c.sku, c.version, c.kind, c.quantity, NULL::text COLLATE "C" AS order_id, c.reason,
           c.command_id, c.recorded_at
      FROM orderlog.product_commands c
     WHERE c.kind IN ('INCREASE', 'DECREASE')
    UNION ALL
    SELECT l.sku, l.version, 'RESERVE', l.quantity, r.order_id, NULL, NULL, r.recorded_at
      FROM orderlog.reservations r,
           unnest(r.skus, r.quantities, r.versions) AS l (sku, quantity, version)
    UNION ALL
    SELECT l.sku, l.version, 'RELEASE', l.quantity, r.order_id, NULL, NULL, r.released_at
      FROM orderlog.reservations r,
           unnest(r.skus, r.quantities, r.released_versions) AS l (sku, quantity, version)
     WHERE r.released_versions IS NOT NULL;
COMMENT ON VIEW orderlog.stock_movements IS 'Every change of a product''s stock: adjustments, reservations, releases.';
COMMENT ON COLUMN orderlog.stock_movements.sku IS 'The product.';
COMMENT ON COLUMN orderlog.stock_movements.version IS 'The product''s version after it.';
COMMENT ON COLUMN orderlog.stock_movements.kind IS
    'INCREASE and DECREASE change on_hand; RESERVE and RELEASE change reserved.';
COMMENT ON COLUMN orderlog.stock_movements.quantity IS 'Units, 1 or more.';
COMMENT ON COLUMN orderlog.stock_movements.order_id IS 'RESERVE and RELEASE: for which order.';
COMMENT ON COLUMN orderlog.stock_movements.reason IS 'INCREASE and DECREASE: why, as the publisher says.';
COMMENT ON COLUMN orderlog.stock_movements.command_id IS 'INCREASE and DECREASE: by which command.';
COMMENT ON COLUMN orderlog.stock_movements.recorded_at IS 'When its cause was recorded (broker''s clock).';

-- ---- payments -------------------------------------------------------------------------------

CREATE TABLE orderlog.accounts (
    customer_id text COLLATE "C" PRIMARY KEY,
    partition smallint NOT NULL,
    duplicates integer NOT NULL DEFAULT 0,
    conflicts integer NOT NULL DEFAULT 0,
    balance_minor bigint NOT NULL,
    held_minor bigint NOT NULL,
    version bigint NOT NULL,
    event_offset bigint NOT NULL,
    command_digest bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    currency char(3) NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    CHECK (balance_minor >= 0 AND held_minor >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE orderlog.accounts IS 'One row a customer''s wallet. Context payments.';
COMMENT ON COLUMN orderlog.accounts.customer_id IS 'The customer.';
COMMENT ON COLUMN orderlog.accounts.partition IS 'Partition of the payments topics that the wallet lives on.';
COMMENT ON COLUMN orderlog.accounts.duplicates IS 'How often the opening command came again.';
COMMENT ON COLUMN orderlog.accounts.conflicts IS 'How often its id came with another body.';
COMMENT ON COLUMN orderlog.accounts.balance_minor IS 'What can be spent, in minor units; what is held is not in it.';
COMMENT ON COLUMN orderlog.accounts.held_minor IS 'What is held for orders, in minor units.';
COMMENT ON COLUMN orderlog.accounts.version IS 'Number of the wallet''s last event.';
COMMENT ON COLUMN orderlog.accounts.event_offset IS 'Offset of that event on its partition.';
COMMENT ON COLUMN orderlog.accounts.command_digest IS 'XXH3-64 of the opening command''s body.';
COMMENT ON COLUMN orderlog.accounts.recorded_at IS 'When that command was recorded (broker''s clock).';
COMMENT ON COLUMN orderlog.accounts.currency IS 'ISO 4217 code of all that the wallet holds.';
COMMENT ON COLUMN orderlog.accounts.command_id IS 'Id of the command that opened it.';

CREATE TABLE orderlog.payments (
    payment_id text COLLATE "C" PRIMARY KEY,
    partition smallint NOT NULL,
    amount_minor bigint NOT NULL,
    refunded_minor bigint NOT NULL,
    event_offset bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    authorised_version bigint,
    captured_version bigint,
    captured_at timestamptz,
    voided_version bigint,
    voided_at timestamptz,
    customer_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    reason text COLLATE "C",
    order_id text COLLATE "C" NOT NULL GENERATED ALWAYS AS (payment_id) STORED
) WITH (fillfactor = 50);
COMMENT ON TABLE orderlog.payments IS 'One row an order''s payment. Context payments.';
COMMENT ON COLUMN orderlog.payments.payment_id IS 'The payment''s id.';
COMMENT ON COLUMN orderlog.payments.partition IS 'Partition of the payments topics: the customer''s.';
COMMENT ON COLUMN orderlog.payments.amount_minor IS
    'What was asked, in minor units of the wallet; 0 where it was voided before it was asked.';
COMMENT ON COLUMN orderlog.payments.refunded_minor IS 'How much of what was captured was given back.';
COMMENT ON COLUMN orderlog.payments.event_offset IS 'Offset of the last event about it on that partition.';
COMMENT ON COLUMN orderlog.payments.recorded_at IS 'When the first step about it was recorded (broker''s clock).';
COMMENT ON COLUMN orderlog.payments.authorised_version IS 'The wallet''s version after holding; null: never held.';
COMMENT ON COLUMN orderlog.payments.captured_version IS 'The wallet''s version after capturing; null: not captured.';
COMMENT ON COLUMN orderlog.payments.captured_at IS 'When the capturing step was recorded.';
COMMENT ON COLUMN orderlog.payments.voided_version IS 'The wallet''s version after voiding; null: not voided.';
COMMENT ON COLUMN orderlog.payments.voided_at IS 'When the voiding step was recorded.';
COMMENT ON COLUMN orderlog.payments.customer_id IS 'Whose wallet pays.';
COMMENT ON COLUMN orderlog.payments.status IS 'AUTHORISED, DECLINED, CAPTURED, VOIDED or REFUNDED (in full).';
COMMENT ON COLUMN orderlog.payments.reason IS 'Stable code: why it was declined.';
COMMENT ON COLUMN orderlog.payments.order_id IS 'The order that it pays: the same id.';

CREATE TABLE orderlog.account_commands (
    customer_id text COLLATE "C" NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    partition smallint NOT NULL,
    duplicates integer NOT NULL DEFAULT 0,
    conflicts integer NOT NULL DEFAULT 0,
    body_digest bigint NOT NULL,
    event_offset bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    code text COLLATE "C",
    message text,
    kind text COLLATE "C",
    version bigint,
    amount_minor bigint,
    payment_id text COLLATE "C",
    PRIMARY KEY (customer_id, command_id)
);
COMMENT ON TABLE orderlog.account_commands IS
    'Commands to wallets with what they moved, but for those that opened one (accounts.command_id). Context payments.';
COMMENT ON COLUMN orderlog.account_commands.customer_id IS 'The customer that the command named; there may be no wallet.';
COMMENT ON COLUMN orderlog.account_commands.command_id IS 'The command''s id, unique within the wallet.';
COMMENT ON COLUMN orderlog.account_commands.partition IS 'Partition of the payments topics.';
COMMENT ON COLUMN orderlog.account_commands.duplicates IS 'How often the same command came again.';
COMMENT ON COLUMN orderlog.account_commands.conflicts IS 'How often its id came with another body.';
COMMENT ON COLUMN orderlog.account_commands.body_digest IS 'XXH3-64 of the command''s body.';
COMMENT ON COLUMN orderlog.account_commands.event_offset IS 'Offset of the outcome.';
COMMENT ON COLUMN orderlog.account_commands.recorded_at IS 'When the command was recorded (broker''s clock).';
COMMENT ON COLUMN orderlog.account_commands.outcome IS 'ACCEPTED or REJECTED.';
COMMENT ON COLUMN orderlog.account_commands.code IS 'Stable code of the refusal; null when accepted.';
COMMENT ON COLUMN orderlog.account_commands.message IS 'The refusal as a sentence.';
COMMENT ON COLUMN orderlog.account_commands.kind IS 'What an accepted command did: DEPOSIT, WITHDRAW or REFUND.';
COMMENT ON COLUMN orderlog.account_commands.version IS 'The wallet''s version after it; null when refused.';
COMMENT ON COLUMN orderlog.account_commands.amount_minor IS 'How much it moved, in minor units.';
COMMENT ON COLUMN orderlog.account_commands.payment_id IS 'REFUND: of which payment.';

CREATE VIEW orderlog.ledger_entries AS
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
COMMENT ON VIEW orderlog.ledger_entries IS
    'Double entry: two legs for every amount that moved. The legs of one wallet version sum to zero.';
COMMENT ON COLUMN orderlog.ledger_entries.customer_id IS 'Whose wallet.';
COMMENT ON COLUMN orderlog.ledger_entries.version IS 'The wallet''s version after it.';
COMMENT ON COLUMN orderlog.ledger_entries.account IS 'external, wallet, held or revenue.';
COMMENT ON COLUMN orderlog.ledger_entries.debit_minor IS 'What leaves the account, in minor units.';
COMMENT ON COLUMN orderlog.ledger_entries.credit_minor IS 'What enters the account, in minor units.';
COMMENT ON COLUMN orderlog.ledger_entries.payment_id IS 'The payment that it is about; null for deposits and withdrawals.';
COMMENT ON COLUMN orderlog.ledger_entries.cause IS 'deposit, withdraw, authorise, capture, void or refund.';
COMMENT ON COLUMN orderlog.ledger_entries.recorded_at IS 'When its cause was recorded (broker''s clock).';

-- ---- commands of all contexts ---------------------------------------------------------------

CREATE VIEW orderlog.commands AS
    SELECT 'orders'::text COLLATE "C" AS context, order_id AS aggregate_id, command_id,
           'ACCEPTED'::text COLLATE "C" AS outcome, NULL::text COLLATE "C" AS code, NULL::text AS message,
           duplicates, conflicts, recorded_at
      FROM orderlog.orders
    UNION ALL
    SELECT 'orders', order_id, command_id, outcome, code, message, duplicates, conflicts, recorded_at
      FROM orderlog.order_commands
    UNION ALL
    SELECT 'inventory', sku, command_id, 'ACCEPTED', NULL, NULL, duplicates, conflicts, recorded_at
      FROM orderlog.products
    UNION ALL
    SELECT 'inventory', sku, command_id, outcome, code, message, duplicates, conflicts, recorded_at
      FROM orderlog.product_commands
    UNION ALL
    SELECT 'payments', customer_id, command_id, 'ACCEPTED', NULL, NULL, duplicates, conflicts, recorded_at
      FROM orderlog.accounts
    UNION ALL
    SELECT 'payments', customer_id, command_id, outcome, code, message, duplicates, conflicts, recorded_at
      FROM orderlog.account_commands;
COMMENT ON VIEW orderlog.commands IS 'What became of every command; the contexts may be a moment apart.';
COMMENT ON COLUMN orderlog.commands.context IS 'orders, inventory or payments.';
COMMENT ON COLUMN orderlog.commands.aggregate_id IS 'The order, SKU or customer that it named.';
COMMENT ON COLUMN orderlog.commands.command_id IS 'The command''s id, unique within context and aggregate.';
COMMENT ON COLUMN orderlog.commands.outcome IS 'ACCEPTED or REJECTED.';
COMMENT ON COLUMN orderlog.commands.code IS 'Stable code of the refusal; null when accepted.';
COMMENT ON COLUMN orderlog.commands.message IS 'The refusal as a sentence.';
COMMENT ON COLUMN orderlog.commands.duplicates IS 'How often the same command came again.';
COMMENT ON COLUMN orderlog.commands.conflicts IS 'How often its id came with another body.';
COMMENT ON COLUMN orderlog.commands.recorded_at IS 'When the command was recorded (broker''s clock).';

-- No reader filters by these, and ANALYZE of an array counts every element.
ALTER TABLE orderlog.orders ALTER command_id SET STATISTICS 0;
ALTER TABLE orderlog.order_baskets
    ALTER skus SET STATISTICS 0, ALTER quantities SET STATISTICS 0, ALTER amounts SET STATISTICS 0;
ALTER TABLE orderlog.reservations
    ALTER skus SET STATISTICS 0, ALTER quantities SET STATISTICS 0, ALTER versions SET STATISTICS 0,
    ALTER released_versions SET STATISTICS 0;

-- migrate:down
DROP SCHEMA orderlog CASCADE;
