//! MariaDB with the real server: dumped, tried out, put back, with everything that a plain copy of rows would lose.

use crate::rig::{self, MARIADB, Rig};

/// Rows of several kinds, a view, a trigger, a routine, and a name that has to be quoted.
const SHOP: &str = "CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, who VARCHAR(80), what BLOB) ENGINE=InnoDB; \
    INSERT INTO orders (who, what) SELECT CONCAT('Zoë ☕ ', seq), UNHEX('00FF27') FROM seq_1_to_400; \
    CREATE TABLE `odd ``name` (n INT); INSERT INTO `odd ``name` VALUES (1), (2); \
    CREATE VIEW names AS SELECT who FROM orders; \
    CREATE TRIGGER early BEFORE INSERT ON orders FOR EACH ROW SET NEW.who = TRIM(NEW.who); \
    CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2";

#[test]
fn a_database_of_mariadb_is_kept_tried_out_and_put_back() {
    rig::run_with(&MARIADB, async |rig: Rig| {
        let _agent = rig.start();
        rig.publish_alone(1).await;
        rig.maria(SHOP).await;
        rig.backed_up(2);
        let first = rig
            .until("backed up", |backups| {
                backups.last.is_some() || backups.failure.is_some()
            })
            .await;
        assert_eq!(first.failure, None);
        let last = first.last.unwrap();
        assert_eq!(last.rows, Some(402));
        let manifest = rig.receipt(&last.snapshot);
        assert!(
            manifest.contains("\"orders\": 400") && manifest.contains("odd `name"),
            "{manifest}"
        );

        // A drill loads it into a server of its own, and counts.
        rig.slot_now(3);
        let drill = rig
            .until("tried out", |backups| backups.drill.is_some())
            .await
            .drill
            .unwrap();
        assert_eq!(drill.problem, None, "{drill:#?}");
        let evidence = drill.evidence.join("\n");
        assert!(evidence.contains("rows of 2 tables agree"), "{evidence}");
        assert!(rig.no_drill_is_left().await);

        // What was lost comes back: rows, bytes, view, trigger, routine.
        rig.maria("DELETE FROM orders; DROP VIEW names; DROP FUNCTION twice; DROP TRIGGER early; CREATE TABLE later (n INT)")
            .await;
        rig.restore(4, "[database]");
        let result = rig.restored().await;
        assert_eq!(result.problem, None, "{result:#?}");
        rig.until_well().await;
        let said = rig
            .maria("SELECT COUNT(*), twice(21), HEX(MAX(what)) FROM orders; SELECT who FROM names LIMIT 1; SHOW TABLES LIKE 'later'")
            .await;
        assert_eq!(said, "400\t42\t00FF27\nZoë ☕ 1\n");
        rig.maria("INSERT INTO orders (who) VALUES ('  trimmed ')")
            .await;
        assert_eq!(
            rig.maria("SELECT COUNT(*) FROM orders WHERE who = 'trimmed'")
                .await,
            "1\n"
        );
        assert!(rig.receipt(&result.before.unwrap()).contains("later"));
    });
}
