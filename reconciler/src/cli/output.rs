//! How results reach people and programs. A reader that goes away (`| head`) is no error.

use crate::config::wants_colour;
pub(super) use crate::review::count;
use std::io::{IsTerminal, Write};
use tenantry_schema::Diagnostic;

/// Prints a text, ended by a line end.
pub(super) fn say(text: impl AsRef<str>) {
    let text = text.as_ref();
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
}

/// Prints a value as indented JSON.
pub(super) fn json<T: serde::Serialize>(value: &T) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints diagnostics to standard error, as a compiler would.
pub(super) fn diagnostics<'d>(all: impl IntoIterator<Item = &'d Diagnostic>) {
    let stderr = std::io::stderr();
    let colour = wants_colour(stderr.is_terminal());
    let mut out = stderr.lock();
    for diagnostic in all {
        let text = if colour {
            diagnostic.render_coloured()
        } else {
            diagnostic.render()
        };
        let _ = writeln!(out, "{text}");
    }
}

/// Prints an error with its causes.
pub(super) fn complain(error: &anyhow::Error) {
    let stderr = std::io::stderr();
    let (red, reset) = if wants_colour(stderr.is_terminal()) {
        ("\x1b[1;31m", "\x1b[0m")
    } else {
        ("", "")
    };
    let mut out = stderr.lock();
    let _ = writeln!(out, "{red}error:{reset} {error}");
    for cause in error.chain().skip(1) {
        let _ = writeln!(out, "  because: {cause}");
    }
}
