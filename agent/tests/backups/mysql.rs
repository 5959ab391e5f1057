//! MySQL and MariaDB with the real servers: dumped while they are written to, tried out, put back, with everything that a plain copy of rows would
//! lose; and dumps that are not whole.

use crate::rig::{self, Rig, Tool};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tenantry_schema::wire::InstanceBackups;

const PASSWORD: &str = "hunter2-hunter2";

/// A server with a volume, and something that is no server. `$admin` tells when it answers.
macro_rules! compose {
    ($image:literal, $environment:literal, $admin:literal) => {
        concat!(
            "
services:
  db:
    image: ",
            $image,
            "
    environment: { ",
            $environment,
            " }
    secrets: [db_password]
    volumes: ['db:/var/lib/mysql']
    healthcheck: { test: [CMD, ",
            $admin,
            ", ping, --protocol=tcp, --host=127.0.0.1], interval: 1s, retries: 180 }
    stop_grace_period: 10s
  app:
    image: tenantry-test/busybox:1
    command: [sleep, 1d]
    init: true
    stop_grace_period: 1s
volumes: { db: {} }
secrets: { db_password: { environment: DB_PASSWORD } }
"
        )
    };
}

/// MariaDB alone.
pub(crate) const MARIADB: Tool = Tool {
    image: "mariadb:10.11",
    compose: compose!(
        "mariadb:10.11",
        "MARIADB_DATABASE: shop, MARIADB_ROOT_PASSWORD_FILE: /run/secrets/db_password",
        "mariadb-admin"
    ),
    items: "  - {kind: database, engine: mysql, service: db}\n",
    required: "TENANTRY_REQUIRE_PEERS",
};

/// MySQL alone. Its image is of Debian's moving release, which is not in order every day.
const MYSQL: Tool = Tool {
    image: "tenantry/mysql:sid",
    compose: compose!(
        "tenantry/mysql:sid",
        "MYSQL_DATABASE: shop, MYSQL_ROOT_PASSWORD: '', MYSQL_ROOT_PASSWORD_FILE: /run/secrets/db_password",
        "mysqladmin"
    ),
    items: "  - {kind: database, engine: mysql, service: db}\n",
    required: "TENANTRY_REQUIRE_MYSQL",
};

/// MySQL whose root has a password that nobody knows: the tool's own account has to do.
const ROOTLESS: Tool = Tool {
    image: "tenantry/mysql:sid",
    compose: compose!(
        "tenantry/mysql:sid",
        "MYSQL_RANDOM_ROOT_PASSWORD: 'yes', MYSQL_DATABASE: shop, MYSQL_USER: shopper, MYSQL_PASSWORD_FILE: /run/secrets/db_password",
        "mysqladmin"
    ),
    items: "  - {kind: database, engine: mysql, service: db}\n",
    required: "TENANTRY_REQUIRE_MYSQL",
};

/// What a server is called to do, and with which program.
pub(crate) struct Server {
    client: &'static str,
    dump: &'static str,
    user: &'static str,
    /// A third of the bytes of a row that is longer than half of what the server takes.
    third: u32,
    /// What it says of events, and of the longest row, when nothing is set.
    settings: &'static str,
}

pub(crate) const MARIADB_SERVER: Server = Server {
    client: "mariadb",
    dump: "mariadb-dump",
    user: "root",
    third: 3_000_000,
    settings: "OFF\t16777216\n",
};

const MYSQL_SERVER: Server = Server {
    client: "mysql",
    dump: "mysqldump",
    user: "root",
    third: 12_000_000,
    settings: "ON\t67108864\n",
};

impl Server {
    /// Statements, and what they answer.
    pub(crate) async fn ask(&self, rig: &Rig, statements: &str) -> String {
        let user = format!("--user={}", self.user);
        let execute = format!("--execute={statements}");
        let arguments = [
            self.client,
            "--batch",
            "--skip-column-names",
            &user,
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
            "--database=shop",
            &execute,
        ];
        rig.in_database(&arguments, Some(("MYSQL_PWD", PASSWORD)))
            .await
    }

    /// Tables with foreign keys, long rows and odd names; a view, a trigger, a routine, an event; a database that has another character set than
    /// those in it.
    async fn fill(&self, rig: &Rig) {
        let third = self.third;
        let statements = format!(
            "CREATE TABLE accounts (id INT PRIMARY KEY, cents BIGINT NOT NULL, moves INT NOT NULL DEFAULT 0) ENGINE=InnoDB; \
             INSERT INTO accounts (id, cents) VALUES (1, 500000), (2, 500000); \
             CREATE TABLE attachments (id INT PRIMARY KEY, body LONGBLOB) ENGINE=InnoDB; \
             INSERT INTO attachments VALUES (1, REPEAT(UNHEX('00FF27'), {third})); \
             CREATE TABLE entries (id INT AUTO_INCREMENT PRIMARY KEY, account INT NOT NULL, FOREIGN KEY (account) REFERENCES accounts (id)) ENGINE=InnoDB; \
             CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, who VARCHAR(80), what BLOB) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4; \
             INSERT INTO orders (who, what) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 400) SELECT CONCAT('Zoë ☕ ', i), UNHEX('00FF27') FROM n; \
             CREATE TABLE `odd ``name` (n INT); INSERT INTO `odd ``name` VALUES (1), (2); \
             CREATE TABLE ticks (id INT AUTO_INCREMENT PRIMARY KEY, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB; \
             CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2; \
             CREATE VIEW names AS SELECT who, twice(id) AS double_id FROM orders; \
             CREATE TRIGGER early BEFORE INSERT ON orders FOR EACH ROW SET NEW.who = TRIM(NEW.who); \
             CREATE EVENT tick ON SCHEDULE EVERY 1 DAY STARTS CURRENT_TIMESTAMP + INTERVAL 1 DAY DO INSERT INTO shop.ticks () VALUES (); \
             ALTER DATABASE shop CHARACTER SET latin1 COLLATE latin1_german1_ci"
        );
        self.ask(rig, &statements).await;
    }

    /// Moves money from one account to the other until it is told to stop. Of each transfer there is an entry.
    async fn transfer(&self, rig: &Rig, stop: &AtomicBool) {
        let one = "START TRANSACTION; UPDATE accounts SET cents = cents - 1, moves = moves + 1 WHERE id = 1; INSERT INTO entries (account) VALUES (1); UPDATE accounts SET cents = cents + 1 WHERE id = 2; COMMIT; DO SLEEP(0.002); ";
        let many = one.repeat(100);
        while !stop.load(Ordering::Relaxed) {
            self.ask(rig, &many).await;
        }
    }
}

async fn first_backup(rig: &Rig) -> InstanceBackups {
    let tried = |backups: &InstanceBackups| backups.last.is_some() || backups.failure.is_some();
    let first = rig.until("backed up", tried).await;
    assert_eq!(first.failure, None);
    first
}

/// The whole story, with either server.
async fn story(rig: Rig, server: Server) {
    let agent = rig.start();
    rig.publish_alone(1).await;
    server.fill(&rig).await;

    let stop = Arc::new(AtomicBool::new(false));
    let saved = async {
        saved_and_tried_out(&rig).await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(saved, server.transfer(&rig, &stop));

    // What was lost comes back.
    server.ask(&rig, "DELETE FROM entries; DELETE FROM orders; DELETE FROM attachments; DROP VIEW names; DROP FUNCTION twice; DROP TRIGGER early; DROP EVENT tick; CREATE TABLE later (n INT); ALTER DATABASE shop CHARACTER SET utf8mb4").await;
    rig.restore(4, "[database]");
    let result = rig.restored().await;
    assert_eq!(result.problem, None, "{result:#?}");
    rig.until_well().await;
    came_back(&rig, &server).await;
    assert!(rig.receipt(&result.before.unwrap()).contains("later"));

    broken_dumps_are_none(&rig, &server, agent).await;
}

/// Saved while it is written to; a drill loads it into a server of its own, and counts.
async fn saved_and_tried_out(rig: &Rig) {
    rig.backed_up(2);
    let last = first_backup(rig).await.last.unwrap();
    let manifest = rig.receipt(&last.snapshot);
    assert!(
        manifest.contains("\"orders\": 400") && manifest.contains("odd `name"),
        "{manifest}"
    );
    assert!(!manifest.contains("locked"), "nobody waits: {manifest}");
    assert!(
        !manifest.contains("\"entries\""),
        "nothing is said of a table that was written to: {manifest}"
    );
    rig.slot_now(3);
    let drilled = |backups: &InstanceBackups| backups.drill.is_some();
    let drill = rig.until("tried out", drilled).await.drill.unwrap();
    assert_eq!(drill.problem, None, "{drill:#?}");
    let evidence = drill.evidence.join("\n");
    assert!(evidence.contains("tables agree"), "{evidence}");
    assert!(rig.no_drill_is_left().await);
}

/// Every row of one moment, bytes, view, trigger, routine, event, defaults; and the server as it was.
async fn came_back(rig: &Rig, server: &Server) {
    let said = server
        .ask(rig, "SELECT COUNT(*), twice(21), HEX(MAX(what)) FROM orders; SELECT who, double_id FROM names LIMIT 1; SHOW TABLES LIKE 'later'")
        .await;
    assert_eq!(said, "400\t42\t00FF27\nZoë ☕ 1\t2\n");
    let one_moment = "SELECT SUM(cents) = 1000000, SUM(moves) = (SELECT COUNT(*) FROM entries), SUM(moves) > 0 FROM accounts";
    assert_eq!(server.ask(rig, one_moment).await, "1\t1\t1\n");
    let body = format!(
        "SELECT body = REPEAT(UNHEX('00FF27'), {}) FROM attachments",
        server.third
    );
    assert_eq!(server.ask(rig, &body).await, "1\n");
    server
        .ask(rig, "INSERT INTO orders (who) VALUES ('  trimmed ')")
        .await;
    let trimmed = "SELECT COUNT(*) FROM orders WHERE who = 'trimmed'";
    assert_eq!(server.ask(rig, trimmed).await, "1\n");
    let rest = "SELECT event_name, status FROM information_schema.events WHERE event_schema = 'shop'; \
        SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = 'shop'; \
        SELECT constraint_type FROM information_schema.table_constraints WHERE table_schema = 'shop' AND table_name = 'entries' AND constraint_type = 'FOREIGN KEY'; \
        SELECT @@GLOBAL.event_scheduler, @@GLOBAL.max_allowed_packet; SHOW DATABASES LIKE 'tenantry%'";
    assert_eq!(
        server.ask(rig, rest).await,
        format!(
            "tick\tENABLED\nlatin1_german1_ci\nFOREIGN KEY\n{}",
            server.settings
        )
    );
}

/// A dump that lacks its end although its program ended well, and one whose program is killed.
async fn broken_dumps_are_none(rig: &Rig, server: &Server, agent: crate::common::Running) {
    let receipts = || rig.restic(&["snapshots", "--tag", "receipt", "--json"]);
    let before = receipts();
    assert!(before.contains("of="), "{before}");
    let dump = server.dump;
    let cutting = format!(
        "cd /usr/bin && mv {dump} {dump}.whole && printf '#!/bin/sh\\n%s.whole \"$@\" | head -c 100000\\n' {dump} > {dump} && chmod 755 {dump}"
    );
    rig.in_database(&["sh", "-c", &cutting], None).await;
    rig.slot_now(5);
    let failed = |backups: &InstanceBackups| backups.failure.is_some();
    let first = rig.until("a failure", failed).await;
    let why = &first.failure.as_ref().unwrap().message;
    assert!(why.contains("cut short"), "{why}");
    assert_eq!(receipts(), before);
    assert!(rig.spool_is_empty());

    drop(agent);
    let whole = format!("cd /usr/bin && mv {dump}.whole {dump}");
    rig.in_database(&["sh", "-c", &whole], None).await;
    let killer = rig.kill_dumps(dump);
    rig.forget_failure();
    let _agent = rig.start();
    let killed = |backups: &InstanceBackups| {
        let failure = backups.failure.as_ref();
        failure.is_some_and(|failure| !failure.message.contains("cut short"))
    };
    let second = rig.until("another failure", killed).await;
    killer.abort();
    let why = second.failure.as_ref().unwrap().message.clone();
    assert!(why.contains(dump), "{why}");
    assert_eq!(receipts(), before);
    assert!(rig.spool_is_empty());
}

#[test]
fn a_database_of_mariadb_is_kept_tried_out_and_put_back() {
    rig::run_with(&MARIADB, async |rig: Rig| story(rig, MARIADB_SERVER).await);
}

#[test]
fn a_database_of_mysql_is_kept_tried_out_and_put_back() {
    rig::run_with(&MYSQL, async |rig: Rig| story(rig, MYSQL_SERVER).await);
}

/// An account that may only use its own database makes dumps, which root loads in the server of a drill.
#[test]
fn a_database_of_mysql_whose_root_nobody_knows_is_kept_and_tried_out() {
    rig::run_with(&ROOTLESS, async |rig: Rig| {
        let server = Server {
            user: "shopper",
            ..MYSQL_SERVER
        };
        let _agent = rig.start();
        rig.publish_alone(1).await;
        server.ask(&rig, "CREATE TABLE guests (name VARCHAR(20)); INSERT INTO guests VALUES ('a'), ('b'); CREATE VIEW all_guests AS SELECT name FROM guests").await;
        rig.backed_up(2);
        let first = first_backup(&rig).await;
        assert_eq!(first.last.unwrap().rows, Some(2));
        rig.slot_now(3);
        let drilled = |backups: &InstanceBackups| backups.drill.is_some();
        let drill = rig.until("tried out", drilled).await.drill.unwrap();
        assert_eq!(drill.problem, None, "{drill:#?}");
        let evidence = drill.evidence.join("\n");
        assert!(evidence.contains("2 rows of 1 tables agree"), "{evidence}");
    });
}

/// Tables that know no transactions: none is written to between the first and the last of them.
#[test]
fn tables_without_transactions_are_saved_at_one_moment() {
    rig::run_with(&MARIADB, async |rig: Rig| {
        let server = MARIADB_SERVER;
        let _agent = rig.start();
        rig.publish_alone(1).await;
        server.ask(&rig, "CREATE TABLE a_first (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=MyISAM; \
            CREATE TABLE m_long (id INT AUTO_INCREMENT PRIMARY KEY, body LONGBLOB) ENGINE=InnoDB; \
            INSERT INTO m_long (body) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT REPEAT(UNHEX('00FF27'), 1000000) FROM n; \
            CREATE TABLE z_last (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=Aria").await;
        let stop = Arc::new(AtomicBool::new(false));
        let write = async {
            let one = "INSERT INTO a_first () VALUES (); INSERT INTO z_last () VALUES (); DO SLEEP(0.001); ";
            let many = one.repeat(200);
            while !stop.load(Ordering::Relaxed) {
                server.ask(&rig, &many).await;
            }
        };
        let save = async {
            rig.backed_up(2);
            let first = first_backup(&rig).await;
            stop.store(true, Ordering::Relaxed);
            first.last.unwrap()
        };
        let (last, ()) = tokio::join!(save, write);
        let manifest = rig.receipt(&last.snapshot);
        assert!(manifest.contains("\"locked\": true"), "{manifest}");
        let count = "SELECT (SELECT COUNT(*) FROM a_first), (SELECT COUNT(*) FROM z_last)";
        let then = server.ask(&rig, count).await;
        rig.restore(3, "[database]");
        let result = rig.restored().await;
        assert_eq!(result.problem, None, "{result:#?}");
        rig.until_well().await;
        let said = server.ask(&rig, count).await;
        assert_ne!(said, then, "it was written to meanwhile");
        let (first, last) = said.trim().split_once('\t').unwrap();
        let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
        assert!(first > 0 && first.abs_diff(last) <= 1, "{said}");
    });
}
