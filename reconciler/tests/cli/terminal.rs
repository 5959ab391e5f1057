//! A person at a terminal: what is asked is answered by typing, what is hidden is not shown, and whoever breaks off leaves nothing half-written.

use crate::secrets::editor;
use crate::{Desk, two_customers};
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long one waits for words on the screen; a machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program on a terminal of its own (`script` makes one), in the folder of a desk.
pub(crate) struct Terminal {
    child: Child,
    keys: Option<ChildStdin>,
    screen: Receiver<Vec<u8>>,
    said: String,
    /// What was looked at already.
    read: usize,
}

impl Terminal {
    /// Runs `tenantry` with these words, and then says how the terminal is left and how the program ended.
    pub(crate) fn open(desk: &Desk, words: &str, settings: &[(&str, &str)]) -> Self {
        let program = env!("CARGO_BIN_EXE_tenantry");
        let line = format!("trap : INT; {program} {words}; echo \"ended with $?\"; stty -a");
        let mut command = Command::new("script");
        // Typed keys are shown, as a terminal does: whatever is hidden was hidden by the program.
        command
            .args([
                "--quiet",
                "--return",
                "--echo",
                "always",
                "--command",
                &line,
                "/dev/null",
            ])
            .current_dir(desk.path("."))
            .env("TERM", "xterm")
            .env("HOME", desk.path("."))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("SOPS_AGE_KEY_FILE")
            .env("TENANTRY_FLEET", desk.path("fleet"))
            .env("TENANTRY_KEY_FILE", desk.path("fleet-keys/hub.agekey"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command.envs(settings.iter().copied());
        let mut child = command.spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let (pieces, screen) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = out.read(&mut piece) {
                if pieces.send(piece[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            keys: child.stdin.take(),
            child,
            screen,
            said: String::new(),
            read: 0,
        }
    }

    /// Waits until these words are on the screen, after those that were waited for before.
    #[track_caller]
    pub(crate) fn sees(&mut self, words: &str) -> &mut Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.said[self.read..].find(words) {
                self.read += at + words.len();
                return self;
            }
            match self
                .screen
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(piece) => self.said.push_str(&String::from_utf8_lossy(&piece)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no `{words}` on the screen: {:?}", self.said)
                }
            }
        }
    }

    /// Types. A program that asks has to read its keyboard first: what is typed earlier may be shown.
    pub(crate) fn types(&mut self, keys: &str) -> &mut Self {
        std::thread::sleep(Duration::from_millis(300));
        let out = self.keys.as_mut().unwrap();
        out.write_all(keys.as_bytes()).unwrap();
        out.flush().unwrap();
        self
    }

    /// Waits for the end. It ended with `code`, and the terminal is as it was. Everything that was on the screen.
    #[track_caller]
    pub(crate) fn ends(mut self, code: i32) -> String {
        self.sees(&format!("ended with {code}\r"));
        self.sees("isig");
        drop(self.keys.take());
        self.child.wait().unwrap();
        while let Ok(piece) = self.screen.recv_timeout(PATIENCE) {
            self.said.push_str(&String::from_utf8_lossy(&piece));
        }
        let state = self.said.split("ended with").last().unwrap_or_default();
        let words: Vec<&str> = state.split_whitespace().collect();
        for on in ["echo", "icanon", "isig"] {
            assert!(
                words.contains(&on),
                "the terminal is left without {on}: {state}"
            );
        }
        self.said
    }
}

const CTRL_C: &str = "\x03";
const SECRETS: &str = "fleet/fleet/customers/acme/secrets.yaml";

fn desk() -> Desk {
    let desk = Desk::new();
    two_customers(&desk);
    for (name, value) in [("user.name", "Jo"), ("user.email", "jo@example.com")] {
        desk.git("fleet", &["config", name, value]);
    }
    desk
}

fn dirty(desk: &Desk) -> String {
    desk.git("fleet", &["status", "--porcelain", "--untracked-files=all"])
}

#[test]
fn a_secret_is_asked_for_and_not_shown() {
    let desk = desk();
    let mut terminal = Terminal::open(&desk, "secrets set acme smtp_password", &[]);
    terminal
        .sees("value of `smtp_password`")
        .types("correct horse\r");
    let said = {
        terminal.sees("made, with");
        terminal.ends(0)
    };
    assert!(
        !said.contains("correct") && !said.contains("horse"),
        "{said}"
    );
    let mut terminal = Terminal::open(&desk, "secrets get acme smtp_password --show", &[]);
    terminal.sees("correct horse");
    terminal.ends(0);
}

#[test]
fn whoever_breaks_off_at_a_secret_changes_nothing() {
    let desk = desk();
    for keys in [CTRL_C, "half a secr\x03", "\x1b"] {
        let mut terminal = Terminal::open(&desk, "secrets set acme smtp_password", &[]);
        terminal.sees("value of `smtp_password`").types(keys);
        terminal.sees("nothing was changed");
        let said = terminal.ends(1);
        assert!(!said.contains("half a"), "{said}");
        assert!(!desk.path(SECRETS).exists());
    }
    let mut terminal = Terminal::open(&desk, "secrets set acme smtp_password", &[]);
    terminal.sees("value of `smtp_password`").types("\r");
    terminal.sees("no value was given");
    terminal.ends(1);
    assert_eq!(dirty(&desk), "");
}

#[test]
fn a_mistake_in_the_editor_is_asked_about() {
    let desk = desk();
    // The first time a mistake, the second time not.
    let change = editor(
        &desk,
        "change",
        "if [ -e \"$HOME/again\" ]; then printf 'a: one\\n' > \"$1\"; else touch \"$HOME/again\"; printf 'a: [\\n' > \"$1\"; fi",
    );
    let settings = [("VISUAL", change.as_str())];
    let mut terminal = Terminal::open(&desk, "secrets edit acme", &settings);
    terminal
        .sees("back into the editor?")
        .types("\r")
        .sees("saved");
    terminal.ends(0);
    let saved = std::fs::read_to_string(desk.path(SECRETS)).unwrap();
    // No, and an interrupt, leave what was there.
    let wrong = editor(
        &desk,
        "wrong",
        "echo \"$1\" > \"$HOME/where\"; printf 'a: [\\n' > \"$1\"",
    );
    let settings = [("VISUAL", wrong.as_str())];
    for keys in ["n\r", CTRL_C] {
        let mut terminal = Terminal::open(&desk, "secrets edit acme", &settings);
        terminal
            .sees("back into the editor?")
            .types(keys)
            .sees("nothing was saved");
        terminal.ends(1);
        let place = std::fs::read_to_string(desk.path("where")).unwrap();
        assert!(
            !std::path::Path::new(place.trim()).exists(),
            "the plain text is still there"
        );
    }
    assert_eq!(std::fs::read_to_string(desk.path(SECRETS)).unwrap(), saved);
}

#[test]
fn erasing_asks_for_the_name_once_more() {
    let desk = desk();
    desk.git(".", &["clone", "-q", "--bare", "fleet", "origin.git"]);
    let origin = desk.path("origin.git").display().to_string();
    desk.git("fleet", &["remote", "add", "origin", &origin]);
    let mut terminal = Terminal::open(&desk, "secrets set acme/person name", &[]);
    terminal
        .sees("value of `name`")
        .types("Ada Lovelace\r")
        .sees("made");
    terminal.ends(0);
    desk.git("fleet", &["add", "-A"]);
    desk.git("fleet", &["commit", "-qm", "a person"]);
    let head = desk.git("fleet", &["rev-parse", "HEAD"]);
    for (keys, says, code) in [
        ("acne\r", "nothing was changed", 1),
        ("\r", "nothing was changed", 1),
        (CTRL_C, "^C", 130),
    ] {
        let mut terminal = Terminal::open(&desk, "erase acme", &[]);
        terminal
            .sees("Type the customer's id to go on")
            .types(keys)
            .sees(says);
        terminal.ends(code);
        assert_eq!(desk.git("fleet", &["rev-parse", "HEAD"]), head);
        assert_eq!(dirty(&desk), "");
    }
    let mut terminal = Terminal::open(&desk, "secrets get acme/person name --show", &[]);
    terminal.sees("Ada Lovelace");
    terminal.ends(0);
    let mut terminal = Terminal::open(&desk, "erase acme", &[]);
    terminal
        .sees("Type the customer's id to go on")
        .types("acme\r")
        .sees("erased: ");
    terminal.sees("ended with ");
    assert_ne!(desk.git("fleet", &["rev-parse", "HEAD"]), head);
}

#[test]
fn new_documents_are_asked_for() {
    let desk = desk();
    let mut terminal = Terminal::open(&desk, "new order acme/shop", &[]);
    // What cannot be is refused at once, and asked for again.
    terminal
        .sees("Domain")
        .types("nonsense\r")
        .sees("`nonsense`");
    terminal
        .types(&"\x7f".repeat(8))
        .types("shop.acme.example\r");
    terminal.sees("ools").types(" ").types("\r").sees("wrote ");
    terminal.ends(0);
    let order =
        std::fs::read_to_string(desk.path("fleet/fleet/customers/acme/orders/shop.yaml")).unwrap();
    assert!(order.contains("domain: shop.acme.example"), "{order}");
    desk.git("fleet", &["stash", "-qu"]);
    for words in [
        "new customer",
        "new order acme/late",
        "new server acme/late",
    ] {
        let mut terminal = Terminal::open(&desk, words, &[]);
        terminal
            .sees("?")
            .types(CTRL_C)
            .sees("cancelled; nothing was written");
        terminal.ends(1);
        assert_eq!(dirty(&desk), "", "{words}");
    }
}

#[test]
fn without_a_terminal_it_says_which_options_to_give() {
    let desk = desk();
    let fleet = ["--fleet", "fleet"];
    let key = ["--key", "fleet-keys/hub.agekey"];
    let run = |words: &[&str]| desk.run(&[words, &fleet].concat());
    run(&["new", "order", "acme/shop"]).says(1, &["there is no terminal", "--domain", "--tools"]);
    run(&["new", "server", "acme/late"]).says(1, &["--address"]);
    desk.run(&[&["secrets", "set", "acme", "x"], &fleet[..], &key[..]].concat())
        .says(1, &["no value was given"]);
    run(&["erase", "acme"]).says(1, &["--confirm acme"]);
    assert_eq!(dirty(&desk), "");
}
