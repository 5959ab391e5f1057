#!/bin/sh
# Prepares the data folder on the first start, then becomes the server. Understands the variables of the well-known image:
# MYSQL_ROOT_PASSWORD, MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD, each also as _FILE, and MYSQL_RANDOM_ROOT_PASSWORD.
set -eu
. /usr/local/lib/database.sh

DATA=/var/lib/mysql

initialise() {
    if [ -n "${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
        MYSQL_ROOT_PASSWORD=$(cat /proc/sys/kernel/random/uuid)
    fi
    [ -n "$(value MYSQL_ROOT_PASSWORD)" ] ||
        fail 'the folder is empty and neither MYSQL_ROOT_PASSWORD, MYSQL_ROOT_PASSWORD_FILE nor MYSQL_RANDOM_ROOT_PASSWORD is set'
    begin "$DATA" mysql
    statements=$(mktemp)
    {
        echo "DROP USER 'root'@'localhost';"
        accounts MYSQL
    } >"$statements"
    chown mysql "$statements"
    mysqld --initialize-insecure --datadir="$new" --init-file="$statements"
    rm -f "$statements"
    touch "$new/.made"
    complete "$DATA" .made
}

if [ "${1:-}" = mysqld ]; then
    mkdir -p "$DATA" /run/mysqld
    chown mysql "$DATA" /run/mysqld
    [ -e "$DATA/.made" ] || initialise
    unset MYSQL_ROOT_PASSWORD MYSQL_PASSWORD
fi
exec "$@"
