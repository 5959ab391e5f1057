//! What is said about fleets that are wrong: the corpus of `tests/corpus`, the examples of the pages that explain codes, and the JSON Schemas
//! against an independent validator.
#![allow(clippy::unwrap_used, reason = "tests are read more than run")]

mod cases;
mod command_line;
mod corpus;
mod documents;
mod fleet;
mod pages;
mod validator;
