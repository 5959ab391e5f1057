#!/bin/sh
# Prepares the data folder on the first start, then becomes the server. Understands the variables of the well-known image:
# MARIADB_ROOT_PASSWORD, MARIADB_DATABASE, MARIADB_USER, MARIADB_PASSWORD, each also as _FILE.
set -eu
. /usr/local/lib/database.sh

DATA=/var/lib/mysql
SHARE=/usr/share/mysql

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
    accounts MARIADB
}

initialise() {
    [ -n "$(value MARIADB_ROOT_PASSWORD)" ] ||
        fail 'the folder is empty and neither MARIADB_ROOT_PASSWORD nor MARIADB_ROOT_PASSWORD_FILE is set'
    begin "$DATA" mysql
    statements | mariadbd --bootstrap --datadir="$new" --skip-networking
    touch "$new/.made"
    complete "$DATA" .made
}

if [ "${1:-}" = mariadbd ]; then
    mkdir -p "$DATA" /run/mysqld
    chown mysql "$DATA" /run/mysqld
    [ -e "$DATA/.made" ] || initialise
    unset MARIADB_ROOT_PASSWORD MARIADB_PASSWORD
fi
exec "$@"
