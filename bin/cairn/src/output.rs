//! What a command prints: results on standard output, failures on standard error.
//!
//! Every command has two forms of the same result: text for people, and with `--json` one JSON
//! value on one line. Exit codes are part of the interface; [`ExitCode`] lists them.

use serde::Serialize;
use std::{
    fmt::{self, Display},
    io::Write,
};

/// Exit codes of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// The command could not do its work.
    Failed = 1,
    /// Arguments are wrong; clap ends the process with the same code.
    Usage = 2,
    /// A configuration, key or genesis file is missing, wrong or not writable.
    Files = 3,
    /// A node could not be reached, or answered with an error.
    Rpc = 4,
    /// A proof or a check did not hold.
    Refuted = 5,
}

/// The same list for `cairn --help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the command could not do its work
  2    wrong arguments
  3    a configuration, key or genesis file is missing, wrong or not writable
  4    a node could not be reached, or answered with an error
  5    a proof or a check did not hold
  130  interrupted a second time while stopping";

/// Why a command failed, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ExitCode,
    message: String,
    next: Option<String>,
}

impl Failure {
    /// A failure with this exit code.
    pub(crate) fn new(code: ExitCode, message: impl Display) -> Self {
        Self { code, message: message.to_string(), next: None }
    }

    /// Adds the next step to take.
    #[must_use]
    pub(crate) fn next(mut self, step: impl Into<String>) -> Self {
        self.next = Some(step.into());
        self
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.next.as_ref().map_or(Ok(()), |next| write!(f, "\n  next: {next}"))
    }
}

/// Result of a command.
pub(crate) type Done<T = ()> = Result<T, Failure>;

/// Attaches an exit code to the error of a library.
pub(crate) trait OrFail<T> {
    /// The error as a failure with `code`.
    fn or_fail(self, code: ExitCode) -> Done<T>;
}

impl<T, E: Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, code: ExitCode) -> Done<T> {
        self.map_err(|error| Failure::new(code, error))
    }
}

/// Where and how results are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// JSON or text.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a result: as one line of JSON, or as the text that `text` makes of it.
    pub(crate) fn result<T: Serialize>(self, result: &T, text: impl FnOnce(&T) -> String) {
        let line = if self.json {
            serde_json::to_string(result).expect("results have string keys and finite numbers")
        } else {
            text(result)
        };
        let mut out = std::io::stdout().lock();
        // A reader that went away (`cairn … | head`) is not a failure of the command.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// Prints a failure on standard error and returns the code to exit with.
    pub(crate) fn failure(self, failure: &Failure) -> std::process::ExitCode {
        let code = failure.code as u8;
        let line = if self.json {
            let error = serde_json::json!({
                "code": code, "message": failure.message, "next": failure.next,
            });
            serde_json::json!({ "error": error }).to_string()
        } else {
            format!("error: {failure}")
        };
        let _ = writeln!(std::io::stderr().lock(), "{line}");
        code.into()
    }
}

/// Two columns: labels, padded to the longest, and values.
pub(crate) fn fields(rows: &[(&str, String)]) -> String {
    let rows: Vec<_> =
        rows.iter().map(|(label, value)| vec![(*label).to_owned(), value.clone()]).collect();
    columns(&rows)
}

/// Rows whose columns are as wide as their longest cell, two spaces apart.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let rows =
            vec![vec!["node".into(), "height".into()], vec!["validator-0".into(), "7".into()]];
        assert_eq!(columns(&rows), "  node         height\n  validator-0  7");
    }

    #[test]
    fn exit_codes_in_the_help_are_the_ones_used() {
        for code in
            [ExitCode::Failed, ExitCode::Usage, ExitCode::Files, ExitCode::Rpc, ExitCode::Refuted]
        {
            assert!(EXIT_CODES.contains(&format!("\n  {}    ", code as u8)), "{code:?}");
        }
        assert!(EXIT_CODES.contains(&cairn_telemetry::shutdown::EXIT_INTERRUPTED.to_string()));
    }
}
