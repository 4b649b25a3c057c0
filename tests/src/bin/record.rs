//! `record SERVER FILE...`: replaces every `?` of the transcripts by what a real redis-server replies.
#![forbid(unsafe_code)]

use boxcar_tests::transcript::record::record;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(server) = arguments.next() else {
        eprintln!("usage: record SERVER FILE...");
        return ExitCode::FAILURE;
    };
    let mut failed = false;
    for file in arguments {
        if let Err(problem) = record_file(Path::new(&server), Path::new(&file)) {
            eprintln!("{file}: {problem}");
            failed = true;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn record_file(server: &Path, file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let recorded = record(&text, server)?;
    std::fs::write(file, recorded).map_err(|error| error.to_string())
}
