//! The templates, parsed once, and the frame around every page. All of them are `.html`, so that everything put in is escaped.

use crate::web::assets;
use crate::web::snapshot::Snapshot;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, UndefinedBehavior, Value, context};
use tenantry_planner::status::Mode;

/// A whole page, or what is inside its `<main>` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Shape {
    Page,
    Fragment,
}

/// The parsed templates.
pub(in crate::web) struct Templates(Environment<'static>);

const FILES: [(&str, &str); 6] = [
    ("page.html", include_str!("../templates/page.html")),
    ("parts.html", include_str!("../templates/parts.html")),
    ("overview.html", include_str!("../templates/overview.html")),
    ("order.html", include_str!("../templates/order.html")),
    ("server.html", include_str!("../templates/server.html")),
    ("missing.html", include_str!("../templates/missing.html")),
];

impl Templates {
    /// They are part of the binary, and a test draws each of them.
    pub(in crate::web) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.expect("the usual delimiters are fine"));
        environment.add_filter("thousands", thousands);
        for (name, text) in FILES {
            environment
                .add_template(name, text)
                .expect("the embedded templates can be parsed");
        }
        Self(environment)
    }

    /// Draws `template` with `values`, with the frame around it if it is to be a whole page.
    pub(super) fn draw(
        &self,
        shape: Shape,
        snapshot: &Snapshot,
        title: &str,
        template: &str,
        values: Value,
    ) -> Result<String, Error> {
        let main = self.0.get_template(template)?.render(values)?;
        if shape == Shape::Fragment {
            return Ok(main);
        }
        let status = &snapshot.status;
        self.0.get_template("page.html")?.render(context! {
            title,
            main => Value::from_safe_string(main),
            fleet => &status.fleet_id,
            release => &status.release,
            version => &snapshot.version,
            assets => assets::VERSION.as_str(),
            active => status.mode == Mode::Active,
        })
    }
}

/// `10000` as `10,000`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn groups_of_three() {
        let shown = [0, 12, 999, 1_000, 10_000, 100_000, 1_234_567].map(thousands);
        assert_eq!(
            shown,
            ["0", "12", "999", "1,000", "10,000", "100,000", "1,234,567"]
        );
    }
}
