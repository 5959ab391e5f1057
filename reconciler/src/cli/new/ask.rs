//! Questions: on a terminal they are asked, and an answer that cannot be is refused at once; elsewhere what is missing is listed, all of it together.

use anyhow::bail;
use inquire::error::InquireError;
use inquire::validator::Validation;
use inquire::{MultiSelect, Select, Text};
use std::fmt::Display;
use std::io::IsTerminal;

/// Asks, or collects what should have been given.
pub(super) struct Asker {
    terminal: bool,
    missing: Vec<String>,
}

impl Asker {
    /// Asks only where somebody can answer.
    pub(super) fn new() -> Self {
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        Self {
            terminal,
            missing: Vec::new(),
        }
    }

    /// A text in the form that `read` takes. `flag` is the option that would have given it.
    pub(super) fn text<T>(
        &mut self,
        flag: &str,
        question: &str,
        help: &str,
        read: impl Fn(&str) -> Result<T, String> + Clone + 'static,
    ) -> anyhow::Result<Option<T>> {
        if !self.terminal {
            self.missing.push(flag.to_owned());
            return Ok(None);
        }
        let check = read.clone();
        let validator = move |text: &str| {
            Ok(match check(text.trim()) {
                Ok(_) => Validation::Valid,
                Err(why) => Validation::Invalid(why.into()),
            })
        };
        let answer = Text::new(question)
            .with_help_message(help)
            .with_validator(validator)
            .prompt()
            .map_err(ended)?;
        read(answer.trim()).map(Some).map_err(anyhow::Error::msg)
    }

    /// One of some.
    pub(super) fn one<T: Display + Clone>(
        &mut self,
        flag: &str,
        question: &str,
        of: &[T],
    ) -> anyhow::Result<Option<T>> {
        if !self.terminal {
            self.missing.push(format!("{flag} ({})", listed(of)));
            return Ok(None);
        }
        Select::new(question, of.to_vec())
            .prompt()
            .map(Some)
            .map_err(ended)
    }

    /// Any of some.
    pub(super) fn some<T: Display + Clone>(
        &mut self,
        flag: &str,
        question: &str,
        of: &[T],
    ) -> anyhow::Result<Option<Vec<T>>> {
        if !self.terminal {
            self.missing.push(format!("{flag} ({})", listed(of)));
            return Ok(None);
        }
        let help = "space chooses, enter goes on";
        MultiSelect::new(question, of.to_vec())
            .with_help_message(help)
            .prompt()
            .map(Some)
            .map_err(ended)
    }

    /// Fails with everything that is missing.
    pub(super) fn done(&self) -> anyhow::Result<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<String> = self
            .missing
            .iter()
            .map(|flag| format!("  {flag}"))
            .collect();
        bail!(
            "there is no terminal to ask on; give these as well:\n{}",
            missing.join("\n")
        )
    }
}

fn listed<T: Display>(of: &[T]) -> String {
    const MOST: usize = 8;
    let mut names: Vec<String> = of.iter().take(MOST).map(ToString::to_string).collect();
    if of.len() > MOST {
        names.push("...".to_owned());
    }
    names.join(", ")
}

fn ended(error: InquireError) -> anyhow::Error {
    match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            anyhow::anyhow!("cancelled; nothing was written")
        }
        error => anyhow::Error::new(error).context("cannot ask on this terminal"),
    }
}
