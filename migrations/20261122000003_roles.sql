-- Who may do what. Roles belong to the whole server and can't log in by themselves: an
-- administrator grants them to logins, or gives them LOGIN. They are made only where missing, and
-- stay when this is undone.
-- migrate:up
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY
        ARRAY['orderlog_owner', 'orderlog_projector', 'orderlog_worker', 'orderlog_analyst'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another database's migration was quicker
            END;
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA orderlog TO orderlog_projector, orderlog_worker;
GRANT USAGE ON SCHEMA orderlog, analytics TO orderlog_owner;
GRANT SELECT ON ALL TABLES IN SCHEMA orderlog TO orderlog_owner, orderlog_projector, orderlog_worker;
GRANT INSERT, UPDATE ON
    orderlog.installation, orderlog.projection_progress,
    orderlog.orders, orderlog.order_baskets, orderlog.order_commands,
    orderlog.products, orderlog.stock, orderlog.reservations, orderlog.product_commands,
    orderlog.accounts, orderlog.payments, orderlog.account_commands
    TO orderlog_projector;
GRANT USAGE ON SCHEMA analytics TO orderlog_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO orderlog_owner, orderlog_analyst;

-- migrate:down
REVOKE ALL ON ALL TABLES IN SCHEMA orderlog, analytics FROM orderlog_projector, orderlog_worker, orderlog_analyst;
REVOKE ALL ON SCHEMA orderlog, analytics FROM orderlog_projector, orderlog_worker, orderlog_analyst;
