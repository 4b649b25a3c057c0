//! What a connection itself knows of its client-side caching.

use super::{Mode, Tracker, Tracking};
use std::collections::BTreeSet;
use std::sync::Arc;

/// See the module's text.
#[derive(Debug)]
pub struct TrackingState {
    /// How others see it.
    pub tracker: Arc<Tracker>,
    /// CLIENT CACHING was given for the next command.
    pub caching: bool,
    /// Prefixes in broadcast mode.
    pub prefixes: BTreeSet<Box<[u8]>>,
}

impl TrackingState {
    /// Whether the keys that the present command reads are to be remembered.
    pub fn remembers(&self) -> bool {
        match self.tracker.mode() {
            Mode::Default => true,
            Mode::OptIn => self.caching,
            Mode::OptOut => !self.caching,
            Mode::Broadcast => false,
        }
    }

    /// Ends it.
    pub fn stop(self, tracking: &Tracking) {
        tracking.stop(&self.tracker, self.prefixes.iter().map(|prefix| &**prefix));
    }
}
