//! The Boxcar server.
