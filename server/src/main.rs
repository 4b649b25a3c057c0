//! The `boxcar` binary.
fn main() {}
