//! Runs Ethereum's execution-spec state tests on Cairn's executor.
//!
//! `cargo run --release -p cairn-testkit --example eest -- FILE...`
//!
//! Prints every vector that failed or was skipped with the reason, then
//! `N passed, N failed, N skipped`. Exit code 1 if any failed, 2 if a file cannot be read.

use cairn_testkit::eest::{Outcome, Tally, load, run_all};
use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        eprintln!("usage: eest FILE... (.jsonl, .jsonl.gz, .json, or a folder of .json files)");
        return ExitCode::from(2);
    }
    let mut tally = Tally::default();
    for path in paths {
        let vectors = match load(Path::new(&path)) {
            Ok(vectors) => vectors,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(2);
            }
        };
        for (vector, outcome) in vectors.iter().zip(run_all(&vectors)) {
            tally.count(&outcome);
            match outcome {
                Outcome::Passed => {}
                Outcome::Failed(how) => println!("failed: {}: {how}", vector.id),
                Outcome::Skipped(why) => println!("skipped: {}: {why}", vector.id),
            }
        }
    }
    println!("{tally}");
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
