//! Restores that fail, and restores whose agent is killed: the data is the old or the new, never both, and nothing is left beside.

use crate::mysql::{MARIADB, MARIADB_SERVER};
use crate::rig::{self, Rig};
use std::time::Duration;
use tenantry_schema::wire::{InstancePhase, Report};

impl Rig {
    /// Something that is backed up, and then something that is newer. What a restore of the former overwrites, for its operation.
    pub(crate) async fn with_something_newer(&self) -> String {
        self.publish(1).await;
        self.sql("CREATE TABLE guests (name text); INSERT INTO guests VALUES ('a'), ('b'), ('c')")
            .await;
        self.backed_up(2);
        self.until("backed up", |backups| backups.last.is_some())
            .await;
        let backed_up = jiff::Timestamp::now();
        self.something_newer().await;
        format!("[database, files]\nbefore: {backed_up}")
    }

    /// Something that is not in the backup.
    pub(crate) async fn something_newer(&self) {
        self.sql("INSERT INTO guests VALUES ('late')").await;
        let late = self.notes().await;
        late.execute_batch("INSERT INTO notes VALUES ('late')")
            .unwrap();
        drop(late);
        std::fs::write(self.uploads().await.join("picture"), "newer").unwrap();
        std::fs::write(self.uploads().await.join("later"), "later").unwrap();
    }

    /// How much of it is there: rows in PostgreSQL, rows in SQLite, the picture.
    pub(crate) async fn seen(&self) -> (String, u32, String) {
        let guests = self.sql("SELECT count(*) FROM guests").await;
        let notes = self.notes().await;
        let notes = notes.query_row("SELECT count(*) FROM notes", [], |row| row.get(0));
        let picture = std::fs::read_to_string(self.uploads().await.join("picture"));
        (guests.trim().to_owned(), notes.unwrap(), picture.unwrap())
    }

    async fn is_as_it_was(&self) {
        self.until_well().await;
        assert_eq!(self.seen().await, ("4".into(), 3, "newer".into()));
        assert!(self.uploads().await.join("later").exists());
        self.until_tidy().await;
    }

    /// Waits until the restore has failed, and this is why.
    async fn until_failed(&self, why: &str) {
        let problem = self.restored().await.problem.unwrap();
        assert!(problem.contains(why), "{problem}");
    }

    /// Waits until files have changed places, and databases are about to.
    async fn until_half(&self) {
        let picture = self.uploads().await.join("picture");
        for _ in 0..3000 {
            if std::fs::read(&picture).is_ok_and(|content| content == b"pixels") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no file ever changed places: {}", self.exchange());
    }

    /// Waits until nothing is left to be removed.
    pub(crate) async fn until_tidy(&self) {
        self.until_exchange("tidy", str::is_empty).await;
        self.nothing_stands_beside().await;
    }
}

/// What fails before the tool stands still does not stop it; what fails afterwards is undone; and then it comes about.
#[test]
fn an_exchange_that_fails_leaves_everything_as_it_was() {
    rig::run(async |rig: Rig| {
        let _agent = rig.start();
        let what = rig.with_something_newer().await;
        let (_, started) = rig.app().await;

        // Something is in the way: it is not known what it is for, and it stays.
        let volume = rig.uploads().await;
        let in_the_way = volume.with_file_name("._data.tenantry-before");
        std::fs::create_dir(&in_the_way).unwrap();
        rig.restore_as("2026-11-20-first", 3, &what);
        let problem = rig.restored_as("2026-11-20-first").await.problem.unwrap();
        assert!(problem.contains("is of an earlier restore"), "{problem}");
        assert_eq!(rig.app().await, (true, started), "it was never stopped");
        rig.until_exchange("tidy", str::is_empty).await;
        std::fs::remove_dir(&in_the_way).unwrap();

        // Files have changed places when the database cannot.
        rig.lock_database().await;
        rig.restore_as("2026-11-20-second", 4, &what);
        let result = rig.restored_as("2026-11-20-second").await;
        assert!(rig.is_locked().await, "sessions of others go on");
        rig.unlock_database().await;
        let problem = result.problem.unwrap();
        assert!(
            problem.contains("everything was put back as it was before")
                && problem.contains("lock timeout"),
            "{problem}"
        );
        assert_eq!(result.evidence, Vec::<String>::new());
        rig.is_as_it_was().await;
        // What was loaded beside stands in no backup, though it was there when this one was taken.
        let receipt = rig.receipt(&result.before.unwrap());
        assert!(
            receipt.contains("\"public.guests\": 4") && !receipt.contains("tenantry_restored_"),
            "{receipt}"
        );

        rig.restore_as("2026-11-20-third", 5, &what);
        let result = rig.restored_as("2026-11-20-third").await;
        assert_eq!(result.problem, None, "{result:#?}");
        assert_eq!(result.evidence.len(), 3, "{result:#?}");
        rig.until_well().await;
        assert_eq!(rig.seen().await, ("3".into(), 2, "pixels".into()));
        rig.until_tidy().await;
    });
}

/// Killed when the tool stands still and nothing has changed places yet.
#[test]
fn killed_before_the_exchange_nothing_was_touched() {
    rig::run(async |rig: Rig| {
        let agent = rig.start();
        let what = rig.with_something_newer().await;
        rig.slow_last_backup();
        rig.restore(3, &what);
        rig.until_exchange("begun", |text| text.contains("tenantry-restored"))
            .await;
        while rig.app().await.0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(agent);
        let databases = rig.databases().await;
        assert!(
            databases.contains("tenantry_restored_guests"),
            "{databases}"
        );
        rig.slow_restic(false);
        let _agent = rig.start();
        rig.until_failed("before it had touched anything").await;
        rig.is_as_it_was().await;
    });
}

/// Killed when files have changed places and databases have not. Where they cannot go back nobody starts the tool; when they can, it is as it was.
#[test]
fn killed_in_the_middle_of_the_exchange_it_is_undone() {
    rig::run(async |rig: Rig| {
        let agent = rig.start();
        let what = rig.with_something_newer().await;
        rig.lock_database().await;
        rig.restore(3, &what);
        rig.until_half().await;
        drop(agent);
        assert!(!rig.app().await.0, "it stands still");

        // Something has the name that is needed to put things back.
        let blocked = rig
            .uploads()
            .await
            .with_file_name("._data.tenantry-restored");
        std::fs::create_dir(&blocked).unwrap();
        let agent = rig.start();
        let mixed = |report: &Report| {
            let found = report.instances.values().next()?;
            let message = found.message.clone()?;
            (found.phase == InstancePhase::Failed).then_some(message)
        };
        let message = rig.wait("mixed", mixed).await;
        assert!(
            message.contains("its data is mixed") && message.contains("volume uploads"),
            "{message}"
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!rig.app().await.0, "nobody starts it");
        drop(agent);

        std::fs::remove_dir(&blocked).unwrap();
        let _agent = rig.start();
        rig.until_failed("was put back as it was before").await;
        assert!(rig.is_locked().await, "sessions of others go on");
        rig.is_as_it_was().await;
    });
}

/// A server that cannot rename databases: killed while it loads, what was there before is loaded again.
#[test]
fn killed_while_a_database_is_loaded_it_is_as_it_was() {
    rig::run_with(&MARIADB, async |rig: Rig| {
        let agent = rig.start();
        rig.publish_alone(1).await;
        MARIADB_SERVER.ask(&rig, "CREATE TABLE orders (id INT PRIMARY KEY, what CHAR(200)) ENGINE=InnoDB; INSERT INTO orders SELECT seq, REPEAT('x', 200) FROM seq_1_to_100000").await;
        rig.backed_up(2);
        rig.until("backed up", |backups| backups.last.is_some())
            .await;
        MARIADB_SERVER
            .ask(
                &rig,
                "DELETE FROM orders WHERE id > 10; CREATE TABLE later (n INT)",
            )
            .await;
        rig.restore(3, "[database]");
        rig.until_exchange("loading", |text| text.contains("\"loading\""))
            .await;
        drop(agent);
        let _agent = rig.start();
        rig.until_failed("was put back as it was before").await;
        rig.until_well().await;
        let said = MARIADB_SERVER
            .ask(&rig, "SELECT COUNT(*) FROM orders; SHOW TABLES LIKE 'later'; SHOW DATABASES LIKE 'tenantry%'")
            .await;
        assert_eq!(said, "10\nlater\n");
        rig.until_exchange("tidy", str::is_empty).await;
    });
}
