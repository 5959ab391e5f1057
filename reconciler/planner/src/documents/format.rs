//! The version of the documents' format, before anything else is read.

use crate::codes;
use crate::input::SourceFile;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::{FORMAT, Kind, classify};
use tenantry_yaml::Limits;

/// Said of a fleet that is written in a newer format, and nothing else: what it means is not known.
pub(super) fn newer(file: &SourceFile) -> Option<Diagnostic> {
    if classify(&file.path) != Kind::Hub {
        return None;
    }
    let text = file.text.as_ref().ok()?;
    let (root, _) = tenantry_yaml::parse_partial(text, &Limits::default());
    let root = root?;
    let value = root.get("format")?;
    let format: u64 = value.as_str()?.parse().ok()?;
    (format > u64::from(FORMAT)).then(|| {
        let place = Place::of(&file.path, text, value.span.start, value.span.end);
        let message = format!(
            "the fleet is written in format {format}, this release reads formats up to {FORMAT}"
        );
        Diagnostic::error(codes::NEWER_FORMAT, place, message)
            .label("newer than this release")
            .note("use a newer release of tenantry")
            .note("the whole fleet stays as it is; nothing else in it was looked at")
    })
}
