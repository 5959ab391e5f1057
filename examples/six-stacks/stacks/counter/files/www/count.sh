# A CGI script: one more visit, and how many there were.
password=$(cat /run/secrets/db_password)
statements='CREATE TABLE IF NOT EXISTS visits (at TIMESTAMP); INSERT INTO visits VALUES (NOW()); SELECT COUNT(*) FROM visits'
if visits=$(MYSQL_PWD=$password mariadb --host=db --user=counter --batch --skip-column-names counter --execute="$statements"); then
    printf 'Content-Type: text/html\r\n\r\n<!doctype html>\n<title>Visit counter</title>\n<h1>Visit %s</h1>\n' "$visits"
else
    printf 'Status: 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\nthe database does not answer\n'
fi
