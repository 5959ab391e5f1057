//! Commits by `git fast-import`: how a large repository is made quickly, and how a person's push arrives (loose objects, one moved reference).

use super::super::{BenchError, Doing};
use super::stacks::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// The branch.
pub(super) const BRANCH: &str = "main";
/// When the first commit was made, in seconds since 1970; each one is a minute later.
const EPOCH: u64 = 1_795_000_000;

/// A running `git fast-import`.
pub(in crate::bench) struct Import {
    git: Child,
    pipe: BufWriter<ChildStdin>,
    commits: u64,
    first: bool,
}

impl Import {
    /// Goes on with the branch of `repository`, or begins it if it is `new`.
    pub(in crate::bench) fn begin(repository: &Path, new: bool) -> Result<Self, BenchError> {
        let mut git = Command::new("git");
        git.arg("-C")
            .arg(repository)
            .args(["fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut git = git.spawn().doing("starting git fast-import")?;
        let pipe = git
            .stdin
            .take()
            .ok_or_else(|| BenchError::Wrong("git fast-import has no input".into()))?;
        Ok(Self {
            git,
            pipe: BufWriter::with_capacity(1 << 20, pipe),
            commits: 0,
            first: new,
        })
    }

    /// One commit that writes these files.
    pub(in crate::bench) fn commit(
        &mut self,
        message: &str,
        files: &[File],
    ) -> Result<(), BenchError> {
        self.write(message, files)
            .doing("writing to git fast-import")
    }

    fn write(&mut self, message: &str, files: &[File]) -> std::io::Result<()> {
        let pipe = &mut self.pipe;
        let time = EPOCH + 60 * self.commits;
        write!(
            pipe,
            "commit refs/heads/{BRANCH}\ncommitter Jo Operator <jo@example.com> {time} +0000\n"
        )?;
        write!(pipe, "data {}\n{message}\n", message.len())?;
        if self.commits == 0 && !self.first {
            writeln!(pipe, "from refs/heads/{BRANCH}^0")?;
        }
        for (path, text) in files {
            write!(
                pipe,
                "M 100644 inline {path}\ndata {}\n{text}\n",
                text.len()
            )?;
        }
        self.commits += 1;
        Ok(())
    }

    /// Waits until everything is there.
    pub(in crate::bench) fn end(self) -> Result<(), BenchError> {
        let Self {
            mut git, mut pipe, ..
        } = self;
        pipe.flush().doing("writing to git fast-import")?;
        drop(pipe);
        let status = git.wait().doing("waiting for git fast-import")?;
        if status.success() {
            Ok(())
        } else {
            Err(BenchError::Wrong(format!("git fast-import: {status}")))
        }
    }
}

/// One commit of one file.
pub(in crate::bench) fn commit_file(
    repository: &Path,
    message: &str,
    path: &str,
    text: &str,
) -> Result<(), BenchError> {
    let mut import = Import::begin(repository, false)?;
    import.commit(message, &[(path.to_owned(), text.to_owned())])?;
    import.end()
}

/// Runs `git` and gives what it prints.
pub(in crate::bench) fn git(repository: &Path, arguments: &[&str]) -> Result<String, BenchError> {
    Ok(crate::rig::run(
        Command::new("git")
            .arg("-C")
            .arg(repository)
            .args(arguments),
    )?)
}
