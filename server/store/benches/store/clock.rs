//! Processor time of the measuring thread, which others on the machine disturb less than the wall's.

/// The least processor time of several runs, in nanoseconds: the machine is noisy in one direction only.
pub fn least(rounds: usize, mut run: impl FnMut()) -> f64 {
    let one = |()| {
        let start = processor_time();
        run();
        processor_time() - start
    };
    std::iter::repeat_n((), rounds).map(one).min_by(f64::total_cmp).expect("at least one round")
}

/// Nanoseconds that this thread has spent on a processor.
fn processor_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the structure it is given.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "Linux has a clock for each thread");
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
