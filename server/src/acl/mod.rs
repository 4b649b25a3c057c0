//! Who may do what. For now there is one user, `default`, who may do everything once `requirepass` is met.

use std::sync::{PoisonError, RwLock};

/// The users and their passwords.
#[derive(Debug, Default)]
pub struct Access {
    /// Password of the default user; `None` lets everyone in.
    password: RwLock<Option<Box<[u8]>>>,
}

impl Access {
    /// Sets what `requirepass` says; an empty password means none.
    pub fn set_password(&self, password: &[u8]) {
        let value = (!password.is_empty()).then(|| password.into());
        *self.password.write().unwrap_or_else(PoisonError::into_inner) = value;
    }

    /// Whether a new connection has to authenticate.
    pub fn password_required(&self) -> bool {
        self.password.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether this user may come in with this password.
    pub fn authenticate(&self, user: &[u8], password: &[u8]) -> bool {
        let expected = self.password.read().unwrap_or_else(PoisonError::into_inner);
        let matches = expected.as_ref().is_none_or(|expected| equal_in_constant_time(expected, password));
        user == b"default" && matches
    }
}

/// Compares without telling by its duration where the first difference is.
fn equal_in_constant_time(expected: &[u8], given: &[u8]) -> bool {
    let mut difference = expected.len() ^ given.len();
    for (i, &byte) in given.iter().enumerate() {
        difference |= usize::from(byte ^ expected.get(i).copied().unwrap_or(0));
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_user_and_password() {
        let access = Access::default();
        assert!(!access.password_required());
        assert!(access.authenticate(b"default", b"anything"));
        assert!(!access.authenticate(b"other", b"anything"));
        access.set_password(b"secret");
        assert!(access.password_required());
        for (given, ok) in
            [(b"secret".as_slice(), true), (b"secre", false), (b"secrets", false), (b"", false)]
        {
            assert_eq!(access.authenticate(b"default", given), ok);
        }
    }
}
