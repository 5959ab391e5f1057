# What the first programs of all database images share; they read this file.

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
        printf '%s' "${direct:-${2:-}}"
    fi
}

# begin FOLDER USER: a place below FOLDER, in $new, for data that is made for the first time. `complete` moves it into place. So a first
# start that is killed at any moment is begun again, and a folder that holds anything else is never touched.
begin() {
    new=$1/.new
    if [ -e "$new" ]; then
        rm -rf "$1"/* "$new"
    elif [ -n "$(ls -A "$1")" ]; then
        fail "$1 is not empty and holds no database"
    fi
    mkdir "$new"
    [ "$(id -u)" != 0 ] || chown "$2" "$new"
}

# complete FOLDER MARK: the file MARK comes last, and says that all is there.
complete() {
    sync
    for entry in "$new"/*; do
        [ "$entry" = "$new/$2" ] || mv "$entry" "$1/"
    done
    mv "$new/$2" "$1/"
    rmdir "$new"
}

# text VALUE: as SQL of MySQL and MariaDB writes it.
text() {
    printf "'%s'" "$(printf '%s' "$1" | sed "s/[\\\\']/\\\\&/g")"
}

name() {
    printf '`%s`' "$(printf '%s' "$1" | sed 's/`/``/g')"
}

# accounts PREFIX: the statements for what the variables PREFIX_ROOT_PASSWORD, PREFIX_DATABASE, PREFIX_USER and PREFIX_PASSWORD ask for, where
# MySQL or MariaDB has no account of root's yet.
accounts() {
    password=$(value "$1_ROOT_PASSWORD")
    database=$(value "$1_DATABASE")
    user=$(value "$1_USER")
    user_password=$(value "$1_PASSWORD")
    for host in localhost %; do
        echo "CREATE USER 'root'@'$host' IDENTIFIED BY $(text "$password");"
        echo "GRANT ALL PRIVILEGES ON *.* TO 'root'@'$host' WITH GRANT OPTION;"
    done
    [ -z "$database" ] || echo "CREATE DATABASE $(name "$database");"
    if [ -n "$user" ]; then
        echo "CREATE USER $(text "$user")@'%' IDENTIFIED BY $(text "$user_password");"
        [ -z "$database" ] || echo "GRANT ALL PRIVILEGES ON $(name "$database").* TO $(text "$user")@'%';"
    fi
}
