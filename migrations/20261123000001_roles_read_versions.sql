-- Worker and projector compare the schema's versions when they start.
-- migrate:up
GRANT SELECT ON public.schema_migrations TO orderlog_projector, orderlog_worker;

-- migrate:down
REVOKE SELECT ON public.schema_migrations FROM orderlog_projector, orderlog_worker;
