#!/bin/sh
# Makes the database, and for each service a schema that its own role alone can use. Safe to run at each start.
#
# Environment: PGHOST, PGPORT, PGUSER, PGPASSWORD of an administrator, KGENTS_DATABASE (default kgents), and a
# <PREFIX>_DATABASE_PASSWORD for each service. The same as platform_host/src/platform_host/embedded/provision.py does.
set -eu

database=${KGENTS_DATABASE:-kgents}

# prefix of the settings, role, schema
services='
AUTH auth_service identity
MANAGEMENT agent_management_service agents
TOOLS tool_registry_service tools
DEPLOYMENT agent_deployment_service deployments
RUNTIME agent_runtime_service runtime
NL nl_agent_service nl
GOVERNANCE governance_service governance
'

run() {
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 "$@"
}

until run --dbname postgres --command 'SELECT 1' >/dev/null 2>&1; do
    tries=$((${tries:-0} + 1))
    if [ "$tries" -ge 60 ]; then
        echo "provision: PostgreSQL at ${PGHOST:-the default host} does not answer" >&2
        exit 1
    fi
    sleep 1
done

run --dbname postgres --set database="$database" <<'SQL'
SELECT format('CREATE DATABASE %I ENCODING ''UTF8'' TEMPLATE template0', :'database')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
SQL

run --dbname "$database" <<'SQL'
SET client_min_messages = warning;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS extensions;
REVOKE ALL ON SCHEMA extensions FROM PUBLIC;
CREATE EXTENSION IF NOT EXISTS vector SCHEMA extensions;
SQL

echo "$services" | while read -r prefix role schema; do
    [ -n "$prefix" ] || continue
    eval "password=\${${prefix}_DATABASE_PASSWORD:?the password of $role is not set}"
    # Through the environment, so that no process list shows the password; hashed on the server, as SCRAM.
    ROLE_PASSWORD=$password run --dbname "$database" --set database="$database" --set role="$role" --set schema="$schema" <<'SQL'
\getenv password ROLE_PASSWORD
SET client_min_messages = warning;
SET log_statement = 'none';
SET password_encryption = 'scram-sha-256';
SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD :'password';
GRANT :"role" TO CURRENT_USER WITH INHERIT FALSE, SET TRUE;
GRANT CONNECT ON DATABASE :"database" TO :"role";
GRANT USAGE ON SCHEMA extensions TO :"role";
CREATE SCHEMA IF NOT EXISTS :"schema" AUTHORIZATION :"role";
REVOKE ALL ON SCHEMA :"schema" FROM PUBLIC;
ALTER ROLE :"role" IN DATABASE :"database" SET search_path = :"schema", extensions;
SQL
done
echo 'provision: done'
