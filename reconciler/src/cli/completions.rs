//! `tenantry completions` and `tenantry man`: what a package of the program puts beside it.

use super::output::say;
use super::{Cli, Outcome};
use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
bash:  tenantry completions bash > ~/.local/share/bash-completion/completions/tenantry
zsh:   tenantry completions zsh > ~/.zfunc/_tenantry      (with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc)
fish:  tenantry completions fish > ~/.config/fish/completions/tenantry.fish")]
pub(super) struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Known,
}

/// Shells that are completed for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  tenantry man --output ~/.local/share/man/man1     then: man tenantry-plan")]
pub(super) struct ManArgs {
    /// The folder to write pages into, one a command.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

/// Prints completions.
pub(super) fn run(args: &Args) -> Outcome {
    let shell = match args.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tenantry", &mut script);
    // A reader that goes away is no error.
    let _ = std::io::stdout().write_all(&script);
    Outcome::Clean
}

/// Writes manual pages.
pub(super) fn man(args: &ManArgs) -> anyhow::Result<Outcome> {
    let failed = || format!("cannot write manual pages into `{}`", args.output.display());
    std::fs::create_dir_all(&args.output).with_context(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.output).with_context(failed)?;
    say(format!("wrote manual pages into {}", args.output.display()));
    Ok(Outcome::Clean)
}
