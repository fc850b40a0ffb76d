-- bench/peers/schema.sql: the read model of the peers. Room in the pages for HOT updates; no second
-- index, no foreign key.
CREATE TABLE orders (
    order_id    bigint PRIMARY KEY,
    customer_id bigint NOT NULL,
    status      int    NOT NULL,
    total_cents bigint NOT NULL,
    line_count  int    NOT NULL,
    placed_at   bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE order_lines (
    order_id     bigint,
    line_no      int,
    sku          bigint NOT NULL,
    qty          bigint NOT NULL,
    amount_cents bigint NOT NULL,
    PRIMARY KEY (order_id, line_no)
);

CREATE TABLE stock (
    sku      bigint PRIMARY KEY,
    on_hand  bigint NOT NULL,
    reserved bigint NOT NULL,
    version  bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE accounts (
    customer_id   bigint PRIMARY KEY,
    balance_cents bigint NOT NULL,
    version       bigint NOT NULL
) WITH (fillfactor = 20);

CREATE TABLE ledger_entries (
    customer_id   bigint,
    seq           bigint,
    order_id      bigint NOT NULL,
    amount_cents  bigint NOT NULL,
    balance_cents bigint NOT NULL,
    at            bigint NOT NULL,
    PRIMARY KEY (customer_id, seq)
);

CREATE TABLE projection_offsets (
    topic text,
    part  int,
    next  bigint NOT NULL,
    PRIMARY KEY (topic, part)
);
