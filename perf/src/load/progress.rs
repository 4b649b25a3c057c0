//! A bar on standard error that shows how far a run is, if that is a terminal.

use super::{Extent, LoadOptions, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// The bar of one run.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
    extent: Extent,
    warmup: Duration,
    earlier: Progress,
}

impl Bar {
    /// A bar for a run with these options; `label` stands before it.
    pub fn new(wanted: bool, options: &LoadOptions, label: String) -> Bar {
        let length = match options.extent {
            Extent::Time(time) => (options.warmup + time).as_millis() as u64,
            Extent::Requests(count) => count,
        };
        // indicatif draws nothing when standard error is no terminal.
        let target = if wanted { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{prefix}[{bar:32}] {percent:>3} %  {msg}")
            .expect("a constant template is valid")
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(length), target).with_style(style).with_prefix(label);
        let earlier = Progress { elapsed: Duration::ZERO, replies: 0 };
        Bar { bar, extent: options.extent, warmup: options.warmup, earlier }
    }

    /// Draws how far the run is.
    pub fn show(&mut self, progress: Progress) {
        let since = progress.elapsed.saturating_sub(self.earlier.elapsed).as_secs_f64();
        if since <= 0.0 {
            return;
        }
        let rate = (progress.replies - self.earlier.replies) as f64 / since;
        self.bar.set_position(match self.extent {
            Extent::Time(_) => progress.elapsed.as_millis() as u64,
            Extent::Requests(_) => progress.replies,
        });
        let phase = if progress.elapsed < self.warmup { ", warming up" } else { "" };
        self.bar.set_message(format!("{:.1} s, {rate:.0} ops/s{phase}", progress.elapsed.as_secs_f64()));
        self.earlier = progress;
    }

    /// Removes it.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
