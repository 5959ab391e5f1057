# A CGI script: what is posted is kept, and all notes are shown as text.
database=/data/notes.db
sqlite3 -cmd '.timeout 5000' "$database" 'CREATE TABLE IF NOT EXISTS notes (at TEXT, note TEXT)' || exit 1
if [ "$REQUEST_METHOD" = POST ]; then
    # In hexadecimal, so that whatever is posted is data.
    note=$(head -c 4000 | busybox od -An -v -tx1 | busybox tr -d ' \n')
    sqlite3 -cmd '.timeout 5000' "$database" "INSERT INTO notes VALUES (datetime('now'), CAST(X'$note' AS TEXT))"
fi
printf 'Content-Type: text/plain; charset=utf-8\r\n\r\nNotes\n'
sqlite3 -cmd '.timeout 5000' "$database" "SELECT at || '  ' || note FROM notes ORDER BY at"
