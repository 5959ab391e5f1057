//! JSON Schema (draft 2020-12) of every kind of document, made from the Rust types: for editors, and for validators that are not ours.
//!
//! A schema says what one file may look like by itself. Whether the server that an order names exists is `tenantry check`'s business.

mod fields;
mod kinds;
mod shape;

pub use fields::{Field, Part, fields, reference};
pub use kinds::{DocumentKind, KINDS, kind};
pub(crate) use shape::{address, one_act, one_group, patterned, sealed_map};

/// Makes a text type known to JSON Schema: its pattern, and texts that fit.
macro_rules! text_schema {
    ($name:ident, $pattern:expr, $examples:expr) => {
        $crate::json::text_schema!($name, ["string"], $pattern, $examples);
    };
    ($name:ident, $types:tt, $pattern:expr, $examples:expr) => {
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::json::patterned(&$types, $pattern, &$examples)
            }
        }
    };
}
pub(crate) use text_schema;
