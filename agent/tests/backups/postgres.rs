//! What a database of PostgreSQL is apart from what is in it comes back with it: owner, locale, rights, settings.

use crate::rig::{self, Rig};

/// One line a database: everything that a plain dump does not say.
const FACTS: &str = "SELECT d.datname, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, d.datlocprovider, \
    d.daticulocale, d.datconnlimit, (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(d.datacl) a), \
    (SELECT string_agg(s.setrole::regrole || ' ' || one, '; ' ORDER BY s.setrole::regrole::text, one) \
        FROM pg_db_role_setting s, unnest(s.setconfig) one WHERE s.setdatabase = d.oid) \
    FROM pg_database d WHERE d.datname IN ('matrix', 'woerter', 'guests') ORDER BY 1";

/// A database as Synapse wants it, one that ICU sorts, rights and settings of several kinds.
async fn fill(rig: &Rig) {
    for statement in [
        "CREATE ROLE synapse LOGIN; CREATE ROLE reader; CREATE ROLE writer",
        "CREATE DATABASE matrix OWNER synapse ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT 20 TEMPLATE template0",
        "CREATE DATABASE woerter OWNER writer LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' TEMPLATE template0",
        "REVOKE ALL ON DATABASE matrix FROM PUBLIC; GRANT CONNECT ON DATABASE matrix TO reader; GRANT CREATE ON DATABASE matrix TO writer WITH GRANT OPTION",
        "ALTER DATABASE matrix SET search_path = \"$user\", rooms, public; ALTER DATABASE matrix SET \"app.note\" = 'it''s a \\ note'",
        "ALTER ROLE reader IN DATABASE matrix SET work_mem = '9MB'",
    ] {
        rig.sql(statement).await;
    }
    let make = "SET ROLE synapse; CREATE TABLE rooms (name text); INSERT INTO rooms VALUES (U&'Caf\\00e9'), ('b')";
    rig.sql_in("matrix", make).await;
    let make = "CREATE TABLE woerter (wort text); INSERT INTO woerter VALUES ('a')";
    rig.sql_in("woerter", make).await;
    // In force from the start it would keep the data out.
    rig.sql("ALTER DATABASE woerter SET default_transaction_read_only = on")
        .await;
}

#[test]
fn a_database_comes_back_with_its_owner_locale_rights_and_settings() {
    rig::run(async |rig: Rig| {
        let _agent = rig.start();
        rig.publish(1).await;
        fill(&rig).await;
        let facts = rig.sql(FACTS).await;
        rig.backed_up(2);
        let saved = rig
            .until("backed up", |backups| {
                backups.last.is_some() || backups.failure.is_some()
            })
            .await;
        assert_eq!(saved.failure, None);

        // In a server of its own it is made likewise.
        rig.slot_now(3);
        let drilled = rig.until("tried out", |backups| backups.drill.is_some());
        let drill = drilled.await.drill.unwrap();
        assert_eq!(drill.problem, None, "{drill:#?}");

        // One is lost together with an account, another one is spoilt.
        rig.sql("DROP DATABASE matrix").await;
        rig.sql("DROP ROLE reader").await;
        rig.sql("ALTER DATABASE woerter OWNER TO app; ALTER DATABASE woerter RESET ALL")
            .await;
        rig.sql_in("woerter", "DELETE FROM woerter").await;
        rig.restore(4, "[database]");
        let result = rig.restored().await;
        assert_eq!(result.problem, None, "{result:#?}");
        rig.until_well().await;
        assert_eq!(rig.sql(FACTS).await, facts);
        let evidence = result.evidence.join("\n");
        assert!(evidence.contains("had no account reader"), "{evidence}");
        assert!(!evidence.contains("did not take"), "{evidence}");

        // The tool's own account can go on.
        let goes_on = "SET ROLE synapse; CREATE TABLE public.later (x int); SELECT name = U&'Caf\\00e9' FROM rooms LIMIT 1; SHOW search_path";
        let said = rig.sql_in("matrix", goes_on).await;
        assert_eq!(said, "t\n\"$user\", rooms, public\n");
        assert_eq!(
            rig.sql_in("woerter", "SELECT wort FROM woerter").await,
            "a\n"
        );
        rig.nothing_stands_beside().await;
    });
}

/// Its receipt does not say what the database is: that is as it stands in the one that is replaced.
#[test]
fn a_backup_of_an_earlier_release_is_put_back_into_a_database_like_the_one_there() {
    rig::run(async |rig: Rig| {
        let _agent = rig.start();
        rig.publish(1).await;
        for statement in [
            "CREATE ROLE keeper; CREATE TABLE names (name text); INSERT INTO names VALUES ('a')",
            "ALTER DATABASE guests OWNER TO keeper; REVOKE ALL ON DATABASE guests FROM PUBLIC; ALTER DATABASE guests SET work_mem = '9MB'",
        ] {
            rig.sql(statement).await;
        }
        let facts = rig.sql(FACTS).await;
        rig.backed_up(2);
        let saved = rig.until("backed up", |backups| backups.last.is_some());
        let snapshot = saved.await.last.unwrap().snapshot;
        rig.receipt_of_an_earlier_release(&snapshot);
        rig.sql("DELETE FROM names").await;
        rig.restore(3, "[database]");
        let result = rig.restored().await;
        assert_eq!(result.problem, None, "{result:#?}");
        rig.until_well().await;
        assert_eq!(rig.sql("SELECT name FROM names").await, "a\n");
        assert_eq!(rig.sql(FACTS).await, facts);
    });
}
