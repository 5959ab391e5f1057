#!/bin/sh
# Prepares the data folder on the first start, then becomes the server. Understands the variables of the well-known image:
# MARIADB_ROOT_PASSWORD, MARIADB_DATABASE, MARIADB_USER, MARIADB_PASSWORD, each also as _FILE.
set -eu

DATA=/var/lib/mysql
SHARE=/usr/share/mysql

fail() {
    echo "entrypoint: $*" >&2
    exit 1
}

# value NAME: the content of the file in NAME_FILE, else of NAME.
value() {
    eval "direct=\${$1:-} file=\${$1_FILE:-}"
    if [ -n "$direct" ] && [ -n "$file" ]; then
        fail "$1 and $1_FILE are both set"
    fi
    if [ -n "$file" ]; then
        cat "$file" || fail "cannot read $1_FILE"
    else
        printf '%s' "$direct"
    fi
}

# text VALUE: as SQL writes it.
text() {
    printf "'%s'" "$(printf '%s' "$1" | sed "s/[\\\\']/\\\\&/g")"
}

name() {
    printf '`%s`' "$(printf '%s' "$1" | sed 's/`/``/g')"
}

# What makes a database server of an empty folder, as `mariadb-install-db` feeds it.
statements() {
    echo 'CREATE DATABASE mysql;'
    echo 'USE mysql;'
    echo 'SET @auth_root_socket=NULL, @skip_auth_anonymous=1;'
    cat "$SHARE/mysql_system_tables.sql" "$SHARE/mysql_performance_tables.sql" "$SHARE/mysql_system_tables_data.sql" \
        "$SHARE/maria_add_gis_sp_bootstrap.sql" "$SHARE/mysql_sys_schema.sql"
    echo 'USE mysql;'
    echo "DELETE FROM mysql.global_priv WHERE User IN ('root', '');"
    echo 'FLUSH PRIVILEGES;'
    for host in localhost %; do
        echo "CREATE USER 'root'@'$host' IDENTIFIED BY $(text "$password");"
        echo "GRANT ALL PRIVILEGES ON *.* TO 'root'@'$host' WITH GRANT OPTION;"
    done
    if [ -n "$database" ]; then
        echo "CREATE DATABASE $(name "$database");"
    fi
    if [ -n "$user" ]; then
        echo "CREATE USER $(text "$user")@'%' IDENTIFIED BY $(text "$user_password");"
        [ -z "$database" ] || echo "GRANT ALL PRIVILEGES ON $(name "$database").* TO $(text "$user")@'%';"
    fi
}

initialise() {
    password=$(value MARIADB_ROOT_PASSWORD)
    database=$(value MARIADB_DATABASE)
    user=$(value MARIADB_USER)
    user_password=$(value MARIADB_PASSWORD)
    [ -n "$password" ] || fail 'the folder is empty and neither MARIADB_ROOT_PASSWORD nor MARIADB_ROOT_PASSWORD_FILE is set'

    # Made in a folder of its own and moved into place, the mark last: a first start that is killed at any moment is begun again, and a
    # folder that holds anything else is never touched.
    new=$DATA/.new
    if [ -e "$new" ]; then
        rm -rf "$DATA"/* "$new"
    elif [ -n "$(ls -A "$DATA")" ]; then
        fail "$DATA is not empty and holds no database"
    fi
    mkdir "$new"
    chown mysql "$new"
    statements | mariadbd --bootstrap --datadir="$new" --skip-networking
    sync
    for entry in "$new"/*; do
        mv "$entry" "$DATA/"
    done
    touch "$DATA/.made"
    rmdir "$new"
}

if [ "${1:-}" = mariadbd ]; then
    mkdir -p "$DATA" /run/mysqld
    chown mysql "$DATA" /run/mysqld
    [ -e "$DATA/.made" ] || initialise
    unset MARIADB_ROOT_PASSWORD MARIADB_PASSWORD
fi
exec "$@"
