//! What is said about fleets that are wrong: the corpus of `tests/corpus`, the examples of the pages that explain codes, and the JSON Schemas
//! against an independent validator.

mod cases;
mod corpus;
mod documents;
mod fleet;
mod pages;
mod validator;
