//! A run from end to end: connect, load the keys, measure, add up.

use super::closed::{self, Course};
use super::connection::Connection;
use super::endpoint::connect;
use super::hlog::{Interval, Log, Recorder};
use super::keys::{self, Keys};
use super::mix::{MAX_ELEMENTS, Share};
use super::open::{self, Schedule};
use super::replies::Shape;
use super::report::LoadReport;
use super::requests::{Requests, Shares};
use super::rows::{Access, Family, Ledger, World, find};
use super::script::{RowRequests, Script, Source};
use super::tally::{Tally, Window};
use super::transport::Transport;
use super::worker::{Look, Shared, Worker};
use super::{Extent, LoadError, LoadOptions, Pace};
use crate::cost::ProcessClock;
use boxcar_sys::Backend;
use boxcar_sys::affinity::{CpuList, pin_current_thread};
use boxcar_sys::process::raise_open_files_limit;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

/// How often the caller hears of the progress.
const PROGRESS: Duration = Duration::from_millis(250);

/// Pipeline depth while keys are loaded, and the bytes that such a batch should not exceed.
const PRELOAD_DEPTH: usize = 64;
const PRELOAD_BYTES: usize = 1 << 20;

/// File descriptors that a run needs beside its connections: the log, standard streams, and those of each thread's driver.
const SPARE_FILES: u64 = 64;
const FILES_PER_THREAD: u64 = 8;

/// From the workers' being ready to the start, so that all of them begin together.
const START_DELAY: Duration = Duration::from_millis(2);

/// How a run is getting on.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Since the keys were loaded.
    pub elapsed: Duration,
    /// Replies so far, the warm-up's included.
    pub replies: u64,
}

/// Runs the load. `stop` ends it early (the report then says so); `progress` is called a few times a second.
pub fn run(
    options: &LoadOptions,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<LoadReport, LoadError> {
    options.check()?;
    let wanted = options.connections as u64 + options.threads as u64 * FILES_PER_THREAD + SPARE_FILES;
    let limit = raise_open_files_limit(wanted)?;
    if limit < wanted {
        return Err(LoadError::Options(format!(
            "{} connections need {wanted} open files, and the limit is {limit} (ulimit -n)",
            options.connections
        )));
    }
    let server = options.server_pid.map(server_clock).transpose()?;
    let network = options.network.choose()?;
    let mut log = Log::create(options)?;
    let samples = keys::prepare(options.distribution, options.keys, options.seed);
    let world = Arc::new(world(options));
    let shared = Shared {
        options,
        epoch: Instant::now(),
        stop,
        halt: AtomicBool::new(false),
        completed: (0..options.threads).map(|_| AtomicU64::new(0)).collect(),
    };
    let tally = std::thread::scope(|scope| {
        let (events, inbox) = channel();
        let starts = (0..options.threads)
            .map(|index| {
                let (start, started) = channel();
                let (events, shared, samples) = (events.clone(), &shared, Arc::clone(&samples));
                let world = Arc::clone(&world);
                let (backend, server) = (network.backend, server.filter(|_| index == 0));
                scope.spawn(move || {
                    let own = Own { index, backend, samples, world, server };
                    let outcome = work(shared, own, &events, &started);
                    // The receiver waits for every worker; if it is gone, a panic is on its way already.
                    let _gone = events.send(Event::Finished(outcome.map(Box::new)));
                });
                start
            })
            .collect();
        drop(events);
        supervise(&shared, &inbox, starts, log.as_mut(), progress)
    })?;
    log.map_or(Ok(()), Log::close)?;
    Ok(LoadReport::new(options, network, tally, stop.load(Ordering::Relaxed)))
}

/// What all requests of a run have in common.
fn world(options: &LoadOptions) -> World {
    let uses = |wanted: &dyn Fn(&Share) -> bool| options.mix.shares().iter().any(wanted);
    let keys_if = |used: bool| if used { options.keys } else { 0 };
    let ledger = options.verify.then(|| {
        let strings = uses(&|share| matches!(share.row.access, Access::Reads | Access::Writes));
        let counters = uses(&|share| share.row.access == Access::Counts);
        Ledger::new(keys_if(strings || uses(&|share| share.row.family == Family::Strings)), keys_if(counters))
    });
    World {
        values: options.values.clone(),
        prefix: options.key_prefix.clone(),
        members: options.members,
        expire: options.expire,
        volatile: options.expire.is_some() || uses(&|share| share.row.name == "expire"),
        ledger,
    }
}

fn server_clock(pid: u32) -> Result<ProcessClock, LoadError> {
    let clock = ProcessClock::of(pid).and_then(|clock| clock.read().map(|_| clock));
    clock.map_err(|source| LoadError::ServerClock { pid, source: source.into() })
}

enum Event {
    Ready,
    Interval(Interval),
    Finished(Result<Box<Tally>, LoadError>),
}

/// Starts the workers together and collects what they counted; the first error ends the others too.
fn supervise(
    shared: &Shared<'_>,
    inbox: &Receiver<Event>,
    starts: Vec<Sender<Instant>>,
    mut log: Option<&mut Log>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Tally, LoadError> {
    let (mut total, mut failure) = (Tally::new(), None);
    let (mut ready, mut finished) = (0, 0);
    let mut starts = Some(starts);
    let mut began = Instant::now();
    let mut lines = None;
    while finished < shared.options.threads {
        match inbox.recv_timeout(PROGRESS) {
            Ok(Event::Ready) => {
                ready += 1;
                if ready == shared.options.threads {
                    began = Instant::now() + START_DELAY;
                    if let Some(log) = log.take() {
                        let measured = SystemTime::now() + START_DELAY + shared.options.warmup;
                        lines = Some(log.begin(measured, shared.options.threads)?);
                    }
                    for start in starts.iter().flatten() {
                        // A worker that has failed since is not waiting any more, and has told why.
                        let _failed = start.send(began);
                    }
                }
            }
            Ok(Event::Interval(interval)) => {
                let written = lines.as_mut().map_or(Ok(()), |lines| lines.take(interval));
                if let Err(error) = written {
                    shared.halt.store(true, Ordering::Relaxed);
                    failure.get_or_insert(error);
                    lines = None;
                }
            }
            Ok(Event::Finished(outcome)) => {
                finished += 1;
                match outcome {
                    Ok(tally) => total.add(*tally),
                    Err(error) => {
                        shared.halt.store(true, Ordering::Relaxed);
                        // Workers that wait for the start learn from its sender's end that there is none.
                        starts = None;
                        failure.get_or_insert(error);
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) if ready == shared.options.threads => {
                let replies = shared.completed.iter().map(|count| count.load(Ordering::Relaxed)).sum();
                progress(Progress { elapsed: began.elapsed(), replies });
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                unreachable!("every worker reports its end before it is gone")
            }
        }
    }
    if let Some(lines) = &mut lines {
        lines.finish()?;
    }
    failure.map_or(Ok(total), Err)
}

/// `whole` parts of `total`, the one of number `index`.
fn part(total: u64, index: usize, whole: usize) -> Range<u64> {
    let at = |index: usize| (u128::from(total) * index as u128 / whole as u128) as u64;
    at(index)..at(index + 1)
}

/// What a worker gets.
struct Own {
    index: usize,
    backend: Backend,
    samples: Arc<[u32]>,
    world: Arc<World>,
    server: Option<ProcessClock>,
}

/// A worker's life.
fn work(
    shared: &Shared<'_>,
    own: Own,
    events: &Sender<Event>,
    started: &Receiver<Instant>,
) -> Result<Tally, LoadError> {
    let Own { index, backend, samples, world, server } = own;
    let options = shared.options;
    if let Some(&cpu) = options.cpus.cpus().get(index % options.cpus.len().max(1)) {
        pin_current_thread(&CpuList::from_iter([cpu]))
            .map_err(|error| LoadError::Options(format!("cannot run on CPU {cpu}: {error}")))?;
    }
    let keys = part(options.keys, index, options.threads);
    let mut worker = connected(index, backend, shared, &world)?;
    if options.preload {
        preload(&mut worker, keys.clone(), &world)?;
    }
    if options.plain().is_none() {
        worker.clients.tally = Tally::with_rows(options.mix.shares().len());
    }
    let seed = options.seed.wrapping_add(1 + index as u64);
    let mut script = Script {
        source: source(options, &world),
        keys: Keys::new(options.distribution, options.keys, keys, &samples, seed),
        depth: options.pipeline,
        together: options.auto_batch,
    };
    // The supervisor waits for every worker; without it there is nothing left to do.
    let _gone = events.send(Event::Ready);
    let Ok(start) = started.recv() else { return Ok(worker.clients.tally) };
    std::thread::sleep(start.saturating_duration_since(Instant::now()));
    let start = start.duration_since(shared.epoch).as_nanos() as u64;
    let measured_from = start + options.warmup.as_nanos() as u64;
    let (ends_at, quota) = match options.extent {
        Extent::Time(time) => (measured_from + time.as_nanos() as u64, u64::MAX),
        Extent::Requests(count) => {
            let own = part(count, index, options.threads);
            (u64::MAX, own.end - own.start)
        }
    };
    let course = Course { measured_from, ends_at, quota };
    if options.hlog.is_some() {
        let (events, rows) = (events.clone(), worker.clients.tally.rows.len());
        worker.clients.tally.log = Some(Recorder::new(index, rows, measured_from, move |interval| {
            // The receiver waits for every worker; if it is gone, a panic is on its way already.
            let _gone = events.send(Event::Interval(interval));
        }));
    }
    let window = Window::new(measured_from, server);
    match options.pace {
        Pace::Closed => closed::run(&mut worker, &mut script, course, window)?,
        Pace::Open(rate) => {
            let interval = 1e9 * options.threads as f64 / rate;
            let burst = options.burst as u64;
            let origin = start + (1e9 / rate * (index as u64 * burst) as f64) as u64;
            open::run(&mut worker, &mut script, course, Schedule { origin, interval, burst }, window)?;
        }
    }
    if let Some(log) = worker.clients.tally.log.take() {
        log.finish();
    }
    Ok(worker.clients.tally)
}

/// A worker with all its connections open.
fn connected<'a>(
    index: usize,
    backend: Backend,
    shared: &'a Shared<'a>,
    world: &Arc<World>,
) -> Result<Worker<'a>, LoadError> {
    let options = shared.options;
    let look = match options.plain() {
        Some(_) => Look::Plain,
        None if options.verify => Look::Verified(Arc::clone(world)),
        None => Look::Journaled,
    };
    let shape = options.values.fixed().filter(|_| matches!(look, Look::Plain)).map(Shape::of_values);
    let connections = part(options.connections as u64, index, options.threads)
        .map(|number| {
            let socket = connect(&options.endpoint, options.protocol)?;
            Ok((Connection::new(number, shape, options.requests_per_connection()), socket))
        })
        .collect::<Result<Vec<_>, LoadError>>()?;
    let transport = Transport::open(backend, connections.len(), options.poll)?;
    Ok(Worker::new(index, shared, transport, connections, look))
}

fn source(options: &LoadOptions, world: &Arc<World>) -> Source {
    match options.plain() {
        Some(shares) => Source::Plain(Requests::new(
            shares,
            &options.key_prefix,
            options.values.clone(),
            options.pipeline,
        )),
        None => {
            let owners = (options.keys, options.connections as u64);
            Source::Rows(RowRequests::new(options.mix.shares(), Arc::clone(world), Some(owners)))
        }
    }
}

/// Loads the keys of `range` for every data type of the mix, and forgets what that took.
fn preload(worker: &mut Worker<'_>, range: Range<u64>, world: &Arc<World>) -> Result<(), LoadError> {
    let options = worker.clients.shared.options;
    if range.is_empty() {
        return Ok(());
    }
    if options.plain().is_some() {
        let depth = (PRELOAD_BYTES / options.values.max().max(1)).clamp(1, PRELOAD_DEPTH);
        let only_sets = Shares { get: 0, set: 1 };
        let requests = Requests::new(only_sets, &options.key_prefix, options.values.clone(), depth);
        return load(worker, range, 1, Source::Plain(requests), depth);
    }
    let mut families: Vec<Family> = Vec::new();
    for share in options.mix.shares() {
        if !families.contains(&share.row.family) {
            families.push(share.row.family);
        }
    }
    for fill in families.iter().flat_map(|family| family.fill()) {
        let row = find(fill.row).expect("fills name rows");
        let (times, elements) = if fill.each {
            (options.members, 1)
        } else {
            (1, row.elements.map_or(1, |_| options.members.min(u64::from(MAX_ELEMENTS)) as u32))
        };
        let bytes = options.values.max().max(1).saturating_mul(elements as usize);
        let depth = (PRELOAD_BYTES / bytes).clamp(1, PRELOAD_DEPTH);
        let share = Share::new(row, Some(elements), 1);
        let requests = RowRequests::new(&[share], Arc::clone(world), None);
        load(worker, range.clone(), times, Source::Rows(requests), depth)?;
    }
    Ok(())
}

/// Sends one request of `source` for every key of `range`, `times` times.
fn load(
    worker: &mut Worker<'_>,
    range: Range<u64>,
    times: u64,
    source: Source,
    depth: usize,
) -> Result<(), LoadError> {
    let quota = (range.end - range.start).saturating_mul(times);
    let mut script = Script { source, keys: Keys::sequence(range), depth, together: false };
    let course = Course { measured_from: 0, ends_at: u64::MAX, quota };
    closed::run(worker, &mut script, course, Window::new(u64::MAX, None))?;
    let tally = std::mem::replace(&mut worker.clients.tally, Tally::new());
    match tally.error.or(tally.mismatch) {
        Some(first) => Err(LoadError::Preload { errors: tally.errors + tally.mismatches, first }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_whole_without_overlap() {
        for (total, whole) in [(50, 3), (7, 7), (2, 5), (u64::from(u32::MAX) + 1, 6)] {
            let parts: Vec<_> = (0..whole).map(|index| part(total, index, whole)).collect();
            assert_eq!(parts[0].start, 0);
            assert_eq!(parts[whole - 1].end, total);
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }
}
