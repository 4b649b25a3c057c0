//! Where the time of sampled requests goes inside the server: `latency-sample-rate` chooses them, LATENCY STAGES shows it.
//!
//! A sample follows what one receive brought. Its stages follow each other without a gap, so that their sum is the time from
//! the thread's wake-up to the end of the send.

use super::histogram::{Histogram, Snapshot};
use boxcar_sys::clock::Ticks;

/// The stages, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Stage {
    /// From the wake-up of the I/O thread until the commands are parsed: other connections that were read first, copying, parsing.
    Parsed,
    /// Until a thread begins to execute them: the way to a worker and its queue, a held shard, CLIENT PAUSE.
    Queued,
    /// Until the last of them is executed.
    Executed,
    /// Until the replies are handed to the driver: the way back from a worker, other connections of the same turn, an older
    /// send that is under way.
    Written,
    /// Until the socket has taken them.
    Sent,
}

/// How the stages are called, in their order.
pub const NAMES: [&str; COUNT] = ["parsed", "queued", "executed", "written", "sent"];
/// How many stages there are.
pub const COUNT: usize = 5;

/// One request on its way.
#[derive(Debug)]
pub struct Sample {
    last: Ticks,
    nanos: [u64; COUNT],
    reached: Option<Stage>,
}

impl Sample {
    /// The thread that received it woke up at this moment.
    pub fn new(woke: Ticks) -> Self {
        Self { last: woke, nanos: [0; COUNT], reached: None }
    }

    /// A stage ends now. One that ends again takes the time since as well.
    pub fn reach(&mut self, stage: Stage) {
        let now = Ticks::now();
        self.nanos[stage as usize] += now.nanos_since(self.last);
        self.last = now;
        self.reached = Some(stage);
    }

    /// Commands begin to execute.
    pub fn begin(&mut self) {
        if self.reached < Some(Stage::Executed) {
            self.reach(Stage::Queued);
        }
    }

    /// Commands have been executed, or none was and all will be later.
    pub fn executed(&mut self, none: bool) {
        match self.reached {
            Some(Stage::Written | Stage::Sent) => {}
            reached if none && reached < Some(Stage::Executed) => self.reach(Stage::Queued),
            _ => self.reach(Stage::Executed),
        }
    }

    /// The stage that ended last.
    pub fn reached(&self) -> Option<Stage> {
        self.reached
    }
}

/// The histograms of one thread, which alone records.
#[derive(Debug, Default)]
pub struct StageHistograms([Histogram; COUNT]);

impl StageHistograms {
    /// Records a sample that has come to its end.
    pub fn record(&self, sample: &Sample) {
        for (histogram, &nanos) in self.0.iter().zip(&sample.nanos) {
            histogram.record(nanos);
        }
    }

    /// Adds the counts of each stage to its sum.
    pub fn add_to(&self, sums: &mut [Snapshot; COUNT]) {
        self.0.iter().zip(sums).for_each(|(histogram, sum)| histogram.add_to(sum));
    }

    /// Forgets all.
    pub fn reset(&self) {
        self.0.iter().for_each(Histogram::reset);
    }
}

/// Which receives of one thread are sampled: one of so many.
#[derive(Debug, Default)]
pub struct Sampler {
    rate: u64,
    left: u64,
    woke: Option<Ticks>,
}

impl Sampler {
    /// The thread is about to look for events; one of `rate` receives is sampled, 0 = none.
    pub fn turn(&mut self, rate: u64) {
        if rate != self.rate {
            self.rate = rate;
            self.left = rate;
        }
        self.woke = None;
    }

    /// Something was received: when the thread woke up, if this is to be followed.
    #[inline]
    pub fn take(&mut self) -> Option<Ticks> {
        if self.rate == 0 { None } else { self.count() }
    }

    fn count(&mut self) -> Option<Ticks> {
        let woke = *self.woke.get_or_insert_with(Ticks::now);
        self.left -= 1;
        if self.left > 0 {
            return None;
        }
        self.left = self.rate;
        Some(woke)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn stages_follow_each_other_without_a_gap() {
        let began = Ticks::now();
        let mut sample = Sample::new(began);
        sample.reach(Stage::Parsed);
        sample.begin();
        std::thread::sleep(Duration::from_millis(3));
        // Parked, and begun again: still queued.
        sample.reach(Stage::Queued);
        sample.begin();
        sample.reach(Stage::Executed);
        // A second run of the same receive.
        sample.begin();
        std::thread::sleep(Duration::from_millis(2));
        sample.reach(Stage::Executed);
        sample.reach(Stage::Written);
        sample.reach(Stage::Sent);
        let [_, queued, executed, written, _] = sample.nanos;
        assert!(queued >= 3_000_000 && executed >= 2_000_000, "{:?}", sample.nanos);
        assert!(written < 2_000_000, "{:?}", sample.nanos);
        assert_eq!(sample.nanos.iter().sum::<u64>() / 1000, sample.last.nanos_since(began) / 1000);
        let (histograms, mut sums) = (StageHistograms::default(), Default::default());
        histograms.record(&sample);
        histograms.add_to(&mut sums);
        assert!(sums.iter().all(|sum| sum.count() == 1));
        histograms.reset();
        let mut sums = Default::default();
        histograms.add_to(&mut sums);
        assert!(sums.iter().all(|sum| sum.count() == 0));
    }

    #[test]
    fn one_of_so_many_is_sampled() {
        let mut sampler = Sampler::default();
        assert!((0..100).all(|_| sampler.take().is_none()));
        for rate in [1, 3, 10] {
            sampler.turn(rate);
            let taken = (0..30).filter(|_| sampler.take().is_some()).count() as u64;
            assert_eq!(taken, 30 / rate);
        }
        sampler.turn(0);
        assert!(sampler.take().is_none());
    }
}
