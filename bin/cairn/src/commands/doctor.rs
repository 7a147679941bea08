//! `cairn doctor`: can this machine run a node?

use crate::{
    commands::now_seconds,
    output::{Done, ExitCode, Failure, Output, columns},
    rpc_client::RpcClient,
};
use alloy_primitives::U64;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    fs,
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

/// Free disk space below which a node should not start, in bytes.
const MIN_FREE_BYTES: u64 = 1 << 30;

/// Free disk space below which it is time to act, in bytes.
const LOW_FREE_BYTES: u64 = 10 << 30;

/// Files that a node keeps open, with room to spare.
const MIN_OPEN_FILES: u64 = 1_024;

/// Memory below which a node has no room for its state, in bytes.
const MIN_MEMORY_BYTES: u64 = 1 << 30;

/// When this program was written, more or less (1 January 2026): no clock may show less.
const EARLIEST_CLOCK_SECONDS: u64 = 1_767_225_600;

/// Clocks of validators that differ by more than this refuse each other's connections.
const MAX_CLOCK_SKEW_SECONDS: u64 = 5;

/// Arguments of `cairn doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with code 5 if a check fails; warnings do not count.

Examples:
  cairn doctor
  cairn doctor --data-dir /var/lib/cairn --port 8545 --port 30300 --json")]
pub(crate) struct DoctorArgs {
    /// Directory that a node is to use
    #[arg(
        long,
        value_name = "DIR",
        default_value = "cairn-data",
        env = "CAIRN_DATA_DIR",
        hide_env_values = true
    )]
    data_dir: PathBuf,
    /// Port that a node is to listen on; may be repeated
    #[arg(long, default_values_t = [8545, 30_300])]
    port: Vec<u16>,
    /// Compare this machine's clock with the last block of a running node
    #[arg(long, value_name = "URL", env = "CAIRN_RPC", hide_env_values = true)]
    rpc: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

#[derive(Serialize)]
struct Check {
    check: String,
    verdict: Verdict,
    finding: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Check {
    fn ok(check: impl Into<String>, finding: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Ok, finding: finding.into(), next: None }
    }

    fn bad(
        verdict: Verdict,
        check: impl Into<String>,
        finding: impl Into<String>,
        next: &str,
    ) -> Self {
        Self { check: check.into(), verdict, finding: finding.into(), next: Some(next.to_owned()) }
    }
}

/// Runs `cairn doctor`.
pub(crate) fn run(args: &DoctorArgs, output: Output) -> Done {
    let mut checks = vec![writable(&args.data_dir), free_space(&args.data_dir)];
    checks.extend(args.port.iter().map(|port| port_is_free(*port)));
    checks.push(open_files(&fs::read_to_string("/proc/self/limits").unwrap_or_default()));
    checks.push(memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default()));
    checks.push(clock(now_seconds()));
    checks.extend(args.rpc.as_deref().map(clock_of_node));
    output.result(&checks, |checks| text(checks));
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Failed).count();
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(ExitCode::Refuted, format!("{failed} of {} checks failed", checks.len())))
}

fn text(checks: &[Check]) -> String {
    let row = |check: &Check| {
        let verdict = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "FAILED",
        };
        let next = check.next.as_ref().map_or_else(String::new, |next| format!("; {next}"));
        vec![verdict.to_owned(), check.check.clone(), format!("{}{next}", check.finding)]
    };
    columns(&checks.iter().map(row).collect::<Vec<_>>())
}

/// The nearest directory on the way to `path` that exists.
fn existing(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.ancestors().find(|p| p.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

fn writable(directory: &Path) -> Check {
    let place = existing(directory);
    match tempfile::tempfile_in(&place) {
        Ok(_) => Check::ok("data directory", format!("{} is writable", place.display())),
        Err(error) => Check::bad(
            Verdict::Failed,
            "data directory",
            format!("cannot write to {}: {error}", place.display()),
            "give its owner write permission, or choose another with --data-dir DIR",
        ),
    }
}

fn free_space(directory: &Path) -> Check {
    let place = existing(directory);
    let free = match rustix::fs::statvfs(&place) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => {
            let finding = format!("cannot tell: {error}");
            return Check::bad(Verdict::Warning, "free disk space", finding, "look with `df`");
        }
    };
    let finding = format!("{} GiB", free >> 30);
    let next = "a node that runs out of disk stops; free some space";
    match free {
        0..MIN_FREE_BYTES => Check::bad(Verdict::Failed, "free disk space", finding, next),
        MIN_FREE_BYTES..LOW_FREE_BYTES => {
            Check::bad(Verdict::Warning, "free disk space", finding, next)
        }
        _ => Check::ok("free disk space", finding),
    }
}

fn port_is_free(port: u16) -> Check {
    let name = format!("port {port}");
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Check::ok(name, "free"),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Check::bad(
            Verdict::Warning,
            name,
            "in use",
            "if that is not a Cairn node of yours, choose another port",
        ),
        Err(error) => Check::bad(
            Verdict::Failed,
            name,
            error.to_string(),
            "choose a port above 1023, or grant the right to bind it",
        ),
    }
}

fn open_files(limits: &str) -> Check {
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next());
    match soft.map(str::parse::<u64>) {
        Some(Ok(limit)) if limit < MIN_OPEN_FILES => Check::bad(
            Verdict::Failed,
            "open files",
            format!("limit is {limit}"),
            "raise it with `ulimit -n 65536`, or LimitNOFILE= in the unit",
        ),
        Some(Ok(limit)) => Check::ok("open files", format!("limit is {limit}")),
        Some(Err(_)) => Check::ok("open files", "no limit"),
        None => Check::bad(Verdict::Warning, "open files", "cannot tell", "look with `ulimit -n`"),
    }
}

fn memory(meminfo: &str) -> Check {
    let available = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map(|kib| kib.saturating_mul(1_024));
    match available {
        Some(bytes) if bytes < MIN_MEMORY_BYTES => Check::bad(
            Verdict::Warning,
            "memory",
            format!("{} MiB available", bytes >> 20),
            "a node keeps an index of its whole state in memory; give it 1 GiB or more",
        ),
        Some(bytes) => Check::ok("memory", format!("{} MiB available", bytes >> 20)),
        None => Check::bad(Verdict::Warning, "memory", "cannot tell", "look with `free`"),
    }
}

fn clock(now: u64) -> Check {
    if now < EARLIEST_CLOCK_SECONDS {
        let finding = format!("shows {now} s since 1970, which is in the past");
        return Check::bad(Verdict::Failed, "clock", finding, "set it, and run an NTP client");
    }
    Check::ok("clock", format!("{now} s since 1970"))
}

#[derive(Deserialize)]
struct Head {
    timestamp: U64,
}

fn clock_of_node(url: &str) -> Check {
    let name = "clock against the chain";
    let ask = || -> Result<u64, Failure> {
        let client = RpcClient::new(url)?;
        let head: Head = client.call("eth_getBlockByNumber", &json!(["latest", false]))?;
        Ok(head.timestamp.to())
    };
    let block = match ask() {
        Ok(block) => block,
        Err(failure) => {
            let next = "start the node, or leave --rpc away";
            return Check::bad(Verdict::Failed, name, failure.to_string(), next);
        }
    };
    let skew = now_seconds().abs_diff(block);
    let finding = format!("last block is {skew} s away");
    if skew <= MAX_CLOCK_SKEW_SECONDS {
        return Check::ok(name, finding);
    }
    let next = "run an NTP client; if the clock is right, the chain has stopped or the node lags";
    Check::bad(Verdict::Warning, name, finding, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_the_system_are_read() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(open_files(limits).verdict, Verdict::Ok);
        assert_eq!(open_files(&limits.replace("1024", "256")).verdict, Verdict::Failed);
        assert_eq!(open_files(&limits.replace("1024", "unlimited")).verdict, Verdict::Ok);
        assert_eq!(open_files("").verdict, Verdict::Warning);
        assert_eq!(memory("MemAvailable:   2097152 kB\n").verdict, Verdict::Ok);
        assert_eq!(memory("MemAvailable:   4096 kB\n").verdict, Verdict::Warning);
        assert_eq!(memory("").verdict, Verdict::Warning);
    }

    #[test]
    fn a_clock_before_this_program_is_wrong() {
        assert_eq!(clock(0).verdict, Verdict::Failed);
        assert_eq!(clock(now_seconds()).verdict, Verdict::Ok);
    }

    #[test]
    fn a_port_in_use_is_seen() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert_eq!(port_is_free(taken.local_addr().unwrap().port()).verdict, Verdict::Warning);
    }

    #[test]
    fn a_directory_that_is_yet_to_be_made_is_judged_by_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        assert_eq!(existing(&deep), dir.path());
        assert_eq!(writable(&deep).verdict, Verdict::Ok);
        assert_ne!(free_space(&deep).finding, "");
    }
}
