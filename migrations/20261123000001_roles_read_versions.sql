-- Worker and projector compare the schema's versions when they start.
-- former sum: 91f0233d8bddc7c9
-- migrate:up
GRANT SELECT ON orderlog.schema_migrations TO orderlog_projector, orderlog_worker;

-- migrate:down
REVOKE SELECT ON orderlog.schema_migrations FROM orderlog_projector, orderlog_worker;
