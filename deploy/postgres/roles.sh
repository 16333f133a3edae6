#!/bin/sh
# Makes the gateway's role and database, and the role of the dashboards, which reads views. PostgreSQL's
# image runs it once, when it has made an empty cluster; by hand, as a superuser:
#   POSTGRES_USER=postgres FIELD_GATEWAY_PASSWORD=... GRAFANA_DATABASE_PASSWORD=... sh roles.sh
set -eu
: "${POSTGRES_USER:?}" "${FIELD_GATEWAY_PASSWORD:?}" "${GRAFANA_DATABASE_PASSWORD:?}"

# The passwords come from the environment and not from the command line, which others can see.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv gateway_password FIELD_GATEWAY_PASSWORD
\getenv grafana_password GRAFANA_DATABASE_PASSWORD

CREATE ROLE field_gateway LOGIN PASSWORD :'gateway_password';
CREATE DATABASE field_gateway OWNER field_gateway ENCODING 'UTF8' TEMPLATE template0;

-- A dashboard that asks too much ends, and the gateways keep their share of the connections.
CREATE ROLE grafana LOGIN PASSWORD :'grafana_password' CONNECTION LIMIT 20;
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '30s';

\connect field_gateway
REVOKE ALL ON DATABASE field_gateway FROM PUBLIC;
GRANT CONNECT ON DATABASE field_gateway TO grafana;
GRANT USAGE ON SCHEMA public TO grafana;

-- The dashboards read views and no table: tables hold the keys of the handsets, with which one can
-- pose as the gateway. Default privileges cannot tell views from tables, so a trigger gives the right
-- in the very command that makes a view, now and in later versions.
CREATE FUNCTION show_views_to_dashboards() RETURNS event_trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made text;
BEGIN
    FOR made IN
        SELECT object_identity FROM pg_event_trigger_ddl_commands()
        WHERE object_type = 'view' AND schema_name = 'public'
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO grafana', made);
    END LOOP;
END
$$;
CREATE EVENT TRIGGER show_views_to_dashboards ON ddl_command_end WHEN TAG IN ('CREATE VIEW')
EXECUTE FUNCTION show_views_to_dashboards();
SQL
