-- Inputs that were lost before anybody took them, and who said that the partition may go on behind them.
-- migrate:up
CREATE TABLE orderlog.acknowledged_gaps (
    topic text COLLATE "C" NOT NULL,
    partition smallint NOT NULL,
    from_offset bigint NOT NULL,
    to_offset bigint NOT NULL,
    acknowledged_at timestamptz NOT NULL DEFAULT now(),
    acknowledged_by text COLLATE "C" NOT NULL DEFAULT session_user,
    left_stuck text[] COLLATE "C" NOT NULL,
    PRIMARY KEY (topic, partition, from_offset, to_offset),
    CHECK (from_offset >= 0 AND from_offset < to_offset)
);
COMMENT ON TABLE orderlog.acknowledged_gaps IS
    'Commands and steps that were gone before a worker took them, and that somebody has acknowledged: `orderlog topics acknowledge-gap`. The partition''s owner reads it when it takes the partition over.';
COMMENT ON COLUMN orderlog.acknowledged_gaps.topic IS 'Full name of the topic.';
COMMENT ON COLUMN orderlog.acknowledged_gaps.partition IS 'Its partition.';
COMMENT ON COLUMN orderlog.acknowledged_gaps.from_offset IS 'The first offset that nobody took.';
COMMENT ON COLUMN orderlog.acknowledged_gaps.to_offset IS 'Where the partition began then: the first offset that is not lost.';
COMMENT ON COLUMN orderlog.acknowledged_gaps.acknowledged_at IS 'When it was acknowledged.';
COMMENT ON COLUMN orderlog.acknowledged_gaps.acknowledged_by IS 'The login that did.';
COMMENT ON COLUMN orderlog.acknowledged_gaps.left_stuck IS 'Ids of the orders whose undoing or capture may wait for what was lost.';

GRANT SELECT ON orderlog.acknowledged_gaps TO orderlog_owner, orderlog_worker, orderlog_projector;
GRANT INSERT ON orderlog.acknowledged_gaps TO orderlog_owner;

-- migrate:down
DROP TABLE orderlog.acknowledged_gaps;
