//! Questions as people write them.

use super::{Field, Query, Sign, Term, Version};
use tenantry_schema::id::ToolName;

/// Why a question cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` cannot be understood: {why}")]
pub struct QueryError {
    /// The word.
    pub word: String,
    /// Why.
    pub why: String,
}

const FIELDS: [(&str, Field); 10] = [
    ("customer", Field::Customer),
    ("order", Field::Order),
    ("server", Field::Server),
    ("plan", Field::Plan),
    ("domain", Field::Domain),
    ("state", Field::State),
    ("image", Field::Image),
    ("stack", Field::Stack),
    ("health", Field::Health),
    ("override", Field::Override),
];

/// Signs, the longer ones first.
const SIGNS: [(&str, Sign); 6] = [
    ("<=", Sign::AtMost),
    (">=", Sign::AtLeast),
    ("!=", Sign::Other),
    ("<", Sign::Less),
    (">", Sign::More),
    ("=", Sign::Equal),
];

impl TryFrom<&str> for Query {
    type Error = QueryError;

    fn try_from(text: &str) -> Result<Self, QueryError> {
        text.split_whitespace()
            .map(term)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn term(word: &str) -> Result<Term, QueryError> {
    let fail = |why: String| QueryError {
        word: word.to_owned(),
        why,
    };
    let at = word.find(['<', '>', '=', '!']);
    let (name, rest) = at.map_or((word, ""), |at| word.split_at(at));
    let sign = SIGNS
        .iter()
        .find_map(|(text, sign)| Some((*sign, rest.strip_prefix(text)?)));
    let field = FIELDS
        .iter()
        .find(|(field, _)| *field == name)
        .map(|(_, field)| *field);
    if let Some(field) = field {
        return match sign {
            Some((Sign::Equal, value)) if !value.is_empty() => {
                Ok(Term::Field(field, true, value.to_owned()))
            }
            Some((Sign::Other, value)) if !value.is_empty() => {
                Ok(Term::Field(field, false, value.to_owned()))
            }
            _ => Err(fail(format!(
                "write {name}=VALUE or {name}!=VALUE; `*` stands for anything"
            ))),
        };
    }
    let names = FIELDS.map(|(name, _)| name);
    if let (Some((sign @ (Sign::Equal | Sign::Other), value)), Some(near)) =
        (sign, tenantry_yaml::suggest(name, &names))
        && Version::parse(value).is_none()
    {
        let sign = if sign == Sign::Equal { "=" } else { "!=" };
        return Err(fail(format!("did you mean `{near}{sign}{value}`?")));
    }
    let known = || FIELDS.map(|(name, _)| name).join(", ");
    let tool = ToolName::try_from(name)
        .map_err(|_| fail(format!("neither a tool nor one of {}", known())))?;
    match sign {
        None if rest.is_empty() => Ok(Term::Tool(tool, None)),
        Some((sign, version)) => Version::parse(version)
            .map(|version| Term::Tool(tool, Some((sign, version))))
            .ok_or_else(|| {
                let other = match sign {
                    Sign::Equal | Sign::Other => format!("; besides tools there are {}", known()),
                    _ => String::new(),
                };
                let number = "a version begins with a number, such as 34 or 33.0.2";
                fail(format!("{number}{other}"))
            }),
        None => Err(fail("compare with <, <=, =, !=, >= or >".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn questions_that_mean_nothing_say_why() {
        let why = |text: &str| Query::try_from(text).unwrap_err().to_string();
        assert!(why("nextcloud<latest").contains("begins with a number"));
        assert!(why("foo=bar").contains("besides tools there are customer, order, server, plan"));
        assert!(why("override").contains("override=VALUE"));
        assert!(why("plan").contains("plan=VALUE"));
        assert!(why("paln=pro").contains("did you mean `plan=pro`?"));
        assert!(why("ordr!=web").contains("did you mean `order!=web`?"));
        assert!(why("Plan=x").contains("did you mean `plan=x`?"));
        assert!(why("Colour=x").contains("neither a tool nor one of customer, order"));
        assert!(Query::try_from("nextcloud<34 plan=pro state!=stopped").is_ok());
    }

    proptest! {
        #[test]
        fn any_question_is_answered(text in "\\PC{0,30}") {
            let _ = Query::try_from(text.as_str());
        }
    }
}
