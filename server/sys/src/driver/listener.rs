//! What both drivers agree on about accepting: which errors pass by themselves, and how long to rest after the others.

use std::io;
use std::time::Duration;

/// How long a listener rests after an error that the next attempt would only repeat (out of descriptors, out of
/// memory). Ten attempts a second cost nothing and are soon enough for a waiting client.
pub(super) const BACKOFF: Duration = Duration::from_millis(100);

/// Whether the error belongs to the one connection that was to be accepted, so that the next one may well succeed.
/// accept(2) lists the network errors that Linux passes on from the new socket; two of them (`EPERM`, `EOPNOTSUPP`) may also
/// mean that no attempt will ever succeed, so they are not counted here.
pub(super) fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::EAGAIN
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET
                | libc::ETIMEDOUT
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_is_not_one_connections_fault() {
        for code in
            [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EINVAL, libc::EBADF, libc::EPERM]
        {
            assert!(!concerns_one_connection(&io::Error::from_raw_os_error(code)));
        }
        assert!(concerns_one_connection(&io::Error::from_raw_os_error(libc::ECONNABORTED)));
    }
}
