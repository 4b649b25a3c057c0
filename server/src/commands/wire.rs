//! What the room of the kernel-side programs shows to commands.

/// Latencies measured on the wire, for replies of one size class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireLatency {
    /// The class: `up_to_64`, ..., `larger`; bytes of the reply's first segment.
    pub class: String,
    /// Replies measured.
    pub replies: u64,
    /// Microseconds at or below which 50, 99 and 99.9 % of them lie.
    pub percentiles_us: [u64; 3],
    /// Microseconds and how many took at most as long, in steps of powers of two, without steps that add nothing.
    pub cumulative_us: Vec<(u64, u64)>,
}

/// The kernel-side programs of this server, whether they run or not.
pub trait Wire: Send + Sync {
    /// Writes the `field:value\r\n` lines of INFO ebpf.
    fn info(&self, text: &mut String);

    /// What the probe has measured, one entry for each class that has replies.
    ///
    /// # Errors
    /// Why nothing is measured.
    fn latency(&self) -> Result<Vec<WireLatency>, String>;

    /// The same over all classes, as class `all`; `None` when the probe does not run.
    ///
    /// # Errors
    /// When the figures cannot be read.
    fn total(&self) -> Result<Option<WireLatency>, String>;

    /// Forgets what was measured; replies at the same moment may be forgotten or kept.
    ///
    /// # Errors
    /// Why nothing is measured.
    fn reset(&self) -> Result<(), String>;
}
