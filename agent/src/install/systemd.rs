//! Words of an `ExecStart=` line, so that any path is one word and means itself (`systemd.syntax(7)`, `systemd.service(5)`, "Command lines").

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// An argument. `%` begins a specifier and `$` a variable of the environment, so both stand twice.
pub(crate) fn argument(path: &Path) -> String {
    word(path, true)
}

/// The program. No variable is replaced in its path.
pub(crate) fn program(path: &Path) -> String {
    word(path, false)
}

/// Whether systemd takes that path for a program: it refuses quotes, backslashes and control characters there, escaped or not
/// (seen with systemd 252).
pub(super) fn can_be_started(path: &Path) -> bool {
    let mut bytes = path.as_os_str().as_bytes().iter();
    bytes.all(|byte| !byte.is_ascii_control() && !b"\"'\\".contains(byte))
}

fn word(path: &Path, variables: bool) -> String {
    let bytes = path.as_os_str().as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:,@=~".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return path.display().to_string();
    }
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '%' => out.push_str("%%"),
                '$' if variables => out.push_str("$$"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_ascii_control() => {
                    let _ = write!(out, "\\x{:02x}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsStr;
    use std::process::Command;

    /// What systemd makes of a quoted word: escapes of C, then specifiers, then variables.
    fn read(word: &str) -> Vec<u8> {
        let Some(inner) = word.strip_prefix('"') else {
            return word.as_bytes().to_vec();
        };
        let mut bytes = inner.bytes();
        let mut out = Vec::new();
        loop {
            match bytes.next().expect("the quote is closed") {
                b'"' => break,
                b'\\' => match bytes.next().unwrap() {
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    b'x' => {
                        let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                        let digits = std::str::from_utf8(&digits).unwrap();
                        out.push(u8::from_str_radix(digits, 16).unwrap());
                    }
                    quoted @ (b'"' | b'\\') => out.push(quoted),
                    other => panic!("no escape: {other}"),
                },
                byte => out.push(byte),
            }
        }
        assert_eq!(bytes.next(), None, "one word");
        single(&single(&out, b'%'), b'$')
    }

    /// Two of `mark` are one; a single one would mean something.
    fn single(bytes: &[u8], mark: u8) -> Vec<u8> {
        let mut out = Vec::new();
        let mut bytes = bytes.iter().copied();
        while let Some(byte) = bytes.next() {
            if byte == mark {
                assert_eq!(bytes.next(), Some(mark), "a lone {}", char::from(mark));
            }
            out.push(byte);
        }
        out
    }

    proptest! {
        #[test]
        fn every_path_means_itself_on_one_line(bytes in prop::collection::vec(1..=255u8, 1..40)) {
            let path = Path::new(OsStr::from_bytes(&bytes));
            let word = argument(path);
            prop_assert!(!word.contains('\n'));
            prop_assert_eq!(read(&word), bytes);
        }

        #[test]
        fn what_is_special_to_systemd_means_itself(text in "[ %$\"'\\\\\n\t;#{}a-z/]{1,20}") {
            prop_assert_eq!(read(&argument(Path::new(&text))), text.into_bytes());
        }
    }

    #[test]
    fn plain_paths_stay_as_they_are() {
        let path = Path::new("/etc/tenantry/agent.yaml");
        assert_eq!(argument(path), "/etc/tenantry/agent.yaml");
        assert_eq!(program(Path::new("/opt/a$b/agent")), "\"/opt/a$b/agent\"");
    }

    /// systemd itself, where it is installed, reads the lines and finds the program.
    #[test]
    fn systemd_finds_a_program_with_an_unusual_name() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my 100% $own agent; {s}");
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let verify = |program: &str| {
            let unit = folder.path().join("tenantry-test.service");
            let config = argument(&folder.path().join("a $b\n%c"));
            std::fs::write(
                &unit,
                format!("[Service]\nExecStart={program} --config {config} run\n"),
            )
            .unwrap();
            let mut command = Command::new("systemd-analyze");
            command.args([
                "verify",
                "--man=no",
                "--generators=no",
                "--recursive-errors=no",
            ]);
            command.arg(&unit).output().ok()
        };
        let Some(out) = verify(&program(&path)) else {
            return;
        };
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!said.contains("tenantry-test.service"), "{said}");
        let odd = folder.path().join("my \"own\" agent\\s");
        std::fs::copy(&path, &odd).unwrap();
        assert!(can_be_started(&path) && !can_be_started(&odd));
        let out = verify(&program(&odd)).unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(said.contains("special characters"), "{said}");
        // It does find fault where there is one.
        let out = verify(&program(&folder.path().join("nobody"))).unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(
            said.contains("not executable") || said.contains("No such file"),
            "{said}"
        );
    }
}
