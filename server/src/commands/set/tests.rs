//! x tests are here
