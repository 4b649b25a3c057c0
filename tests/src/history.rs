//! Linearizability: a check of concurrent histories.
