#!/bin/sh
# Prepares the data folder on the first start, then becomes the server. Understands the variables of the
# well-known image: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and their _FILE forms, PGDATA.
set -eu

fail() {
    echo "entrypoint: $*" >&2
    exit 1
}

# value NAME DEFAULT: the content of the file in NAME_FILE, else of NAME, else DEFAULT.
value() {
    eval "direct=\${$1:-} file=\${$1_FILE:-}"
    if [ -n "$direct" ] && [ -n "$file" ]; then
        fail "$1 and $1_FILE are both set"
    fi
    if [ -n "$file" ]; then
        cat "$file" || fail "cannot read $1_FILE"
    else
        printf '%s' "${direct:-$2}"
    fi
}

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        su -s /bin/sh -c '"$@"' -- postgres sh "$@"
    else
        "$@"
    fi
}

initialise() {
    user=$(value POSTGRES_USER postgres)
    password=$(value POSTGRES_PASSWORD '')
    database=$(value POSTGRES_DB "$user")
    [ -n "$password" ] || fail 'the database is empty and neither POSTGRES_PASSWORD nor POSTGRES_PASSWORD_FILE is set'

    # The cluster is made in a folder of its own and moved into place, PG_VERSION last: a first start that is killed
    # at any moment is begun again, and a folder that holds anything else is never touched.
    new=$PGDATA/.new
    if [ -e "$new" ]; then
        rm -rf "$PGDATA"/* "$new"
    elif [ -n "$(ls -A "$PGDATA")" ]; then
        fail "$PGDATA is not empty and holds no database"
    fi
    as_postgres mkdir "$new"
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
    sync
    for entry in "$new"/*; do
        [ "$entry" = "$new/PG_VERSION" ] || mv "$entry" "$PGDATA/"
    done
    mv "$new/PG_VERSION" "$PGDATA/"
    rmdir "$new"
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
