//! The log of a process: `tracing` events on standard error.
//!
//! Standard output belongs to results, so logs never go there. An error event means that someone
//! must act; everything a supervisor needs is in fields, not in prose.

use std::{
    io::IsTerminal,
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering},
};
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::dynamic_filter_fn, fmt, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// Filter used when none is given: our own events from `info` up, those of the engines from `warn`.
pub const DEFAULT_FILTER: &str =
    "info,commonware=warn,commonware_storage=error,jsonrpsee=warn,hyper=warn,reqwest=warn";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured when standard error is a terminal and `NO_COLOR` is not set.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

impl FromStr for LogFormat {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(LogError::Format(other.to_owned())),
        }
    }
}

/// What to log and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Look of the lines.
    pub format: LogFormat,
    /// Filter in the syntax of `tracing_subscriber::EnvFilter`, such as `info,cairn_node=debug`;
    /// [`DEFAULT_FILTER`] when absent.
    pub filter: Option<String>,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Neither `text` nor `json`.
    #[error("log format `{0}` is unknown; use `text` or `json`")]
    Format(String),
    /// The filter does not parse.
    #[error("log filter `{filter}` is not valid: {reason}; try `info` or `info,cairn_node=debug`")]
    Filter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A subscriber was installed before.
    #[error("the log is already set up in this process")]
    AlreadySet,
}

/// Installs the subscriber of this process. Call it once, first.
///
/// # Errors
/// See [`LogError`].
pub fn init(options: &LogOptions) -> Result<(), LogError> {
    let filter = filter(options.filter.as_deref().unwrap_or(DEFAULT_FILTER))?;
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = match options.format {
        LogFormat::Text => layer.with_ansi(colours()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let heard = dynamic_filter_fn(|event, _| is_heard(event.target()));
    let installed =
        tracing_subscriber::registry().with(layer.with_filter(filter).with_filter(heard));
    installed.try_init().map_err(|_| LogError::AlreadySet)
}

/// Whether the process is stopping on purpose.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// Says that the process stops on purpose: from now on the engines are not heard. Their actors end in
/// any order, and each reports as an error that its neighbour has gone.
pub fn stopping() {
    STOPPING.store(true, Ordering::Relaxed);
}

fn is_heard(target: &str) -> bool {
    !(target.starts_with("commonware") && STOPPING.load(Ordering::Relaxed))
}

fn filter(text: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(text)
        .map_err(|error| LogError::Filter { filter: text.to_owned(), reason: error.to_string() })
}

fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_fall_silent_when_the_process_stops() {
        let engine = "commonware_resolver::p2p::engine";
        assert!(is_heard(engine) && is_heard("cairn_node::node"));
        stopping();
        assert!(!is_heard(engine) && is_heard("cairn_node::node"));
    }

    #[test]
    fn formats_and_filters_are_checked() {
        assert_eq!("json".parse::<LogFormat>().unwrap(), LogFormat::Json);
        assert!("yaml".parse::<LogFormat>().unwrap_err().to_string().contains("use `text`"));
        assert!(filter(DEFAULT_FILTER).is_ok());
        assert!(filter("cairn=shouting").unwrap_err().to_string().contains("shouting"));
    }
}
