#!/bin/sh
# Prepares the data folder on the first start, then becomes the server. Understands the variables of the
# well-known image: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and their _FILE forms, PGDATA.
set -eu
. /usr/local/lib/database.sh

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        su -s /bin/sh -c '"$@"' -- postgres sh "$@"
    else
        "$@"
    fi
}

initialise() {
    user=$(value POSTGRES_USER postgres)
    password=$(value POSTGRES_PASSWORD)
    database=$(value POSTGRES_DB "$user")
    [ -n "$password" ] || fail 'the database is empty and neither POSTGRES_PASSWORD nor POSTGRES_PASSWORD_FILE is set'

    begin "$PGDATA" postgres
    secret=$(mktemp)
    printf '%s\n' "$password" >"$secret"
    [ "$(id -u)" != 0 ] || chown postgres "$secret"
    as_postgres initdb --pgdata="$new" --username="$user" --pwfile="$secret" --encoding=UTF8 --locale=C.UTF-8 \
        --auth-host=scram-sha-256 --auth-local=trust ${POSTGRES_INITDB_ARGS:-}
    rm -f "$secret"
    echo 'host all all all scram-sha-256' >>"$new/pg_hba.conf"
    if [ "$database" != postgres ]; then
        # psql would need a running server; single-user mode takes the statement directly.
        quoted=$(printf '%s' "$database" | sed 's/"/""/g')
        printf 'CREATE DATABASE "%s"\n' "$quoted" |
            as_postgres postgres --single -D "$new" postgres >/dev/null
    fi
    complete "$PGDATA" PG_VERSION
}

if [ "${1:-}" = postgres ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    if [ "$(id -u)" = 0 ]; then
        find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
    fi
    chmod 0700 "$PGDATA"
    [ -e "$PGDATA/PG_VERSION" ] || initialise
    unset POSTGRES_PASSWORD
    if [ "$(id -u)" = 0 ]; then
        exec su -s /bin/sh -c 'exec "$@"' -- postgres sh "$@"
    fi
fi
exec "$@"
