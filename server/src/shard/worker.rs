//! Worker threads: they execute the batches that I/O threads push on their rings, and sleep otherwise.

use super::batch::Batch;
use super::executor::{Executor, Where};
use crate::commands::Server;
use crate::commands::server::allocator::purge;
use crate::config::rows;
use boxcar_sys::affinity::{self, CpuList};
use boxcar_sys::clock::monotonic_us;
use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};

/// One worker as seen by the I/O threads.
struct Port {
    ring: ArrayQueue<Batch>,
    asleep: CachePadded<AtomicBool>,
    /// Memory that is not in use is to be given back.
    release: AtomicBool,
    thread: OnceLock<Thread>,
}

/// All workers. The threads start when they are first needed.
pub struct Workers {
    ports: Vec<Arc<Port>>,
    stopping: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    cpus: Option<CpuList>,
}

impl Workers {
    /// `count` workers whose rings have room for `capacity` batches each: all there are, so that a push never
    /// fails. Worker `i` is pinned to `cpus[i % len]` unless `cpus` is empty.
    pub fn new(count: usize, capacity: usize, cpus: Option<CpuList>) -> Self {
        let port = || {
            Arc::new(Port {
                ring: ArrayQueue::new(capacity),
                asleep: CachePadded::new(AtomicBool::new(false)),
                release: AtomicBool::new(false),
                thread: OnceLock::new(),
            })
        };
        Self {
            ports: (0..count).map(|_| port()).collect(),
            stopping: Arc::default(),
            threads: Mutex::default(),
            cpus,
        }
    }

    /// Number of workers.
    pub fn count(&self) -> usize {
        self.ports.len()
    }

    /// The worker that owns a shard.
    pub fn owner_of(&self, shard: u32) -> usize {
        shard as usize % self.ports.len()
    }

    /// Starts the threads unless they run already.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(&self, server: &Arc<Server>) -> std::io::Result<()> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for (i, port) in self.ports.iter().enumerate().skip(threads.len()) {
            let name = format!("boxcar-work-{i}");
            let executor = Executor::new(Arc::clone(server), server.stats.register(&name), Where::Away);
            let (port, stopping) = (Arc::clone(port), Arc::clone(&self.stopping));
            let cpu = self.cpus.as_ref().map(|list| one_of(list, i));
            let body = move || {
                if let Some(cpu) = cpu
                    && let Err(error) = affinity::pin_current_thread(&cpu)
                {
                    tracing::warn!("cannot pin a worker: {error}");
                }
                work(&port, &executor, &stopping);
            };
            threads.push(thread::Builder::new().name(name).spawn(body)?);
        }
        Ok(())
    }

    /// Hands a batch to a worker. Returns whether it had to be woken.
    pub fn push(&self, worker: usize, batch: Batch) -> bool {
        let port = &self.ports[worker];
        assert!(port.ring.push(batch).is_ok(), "a worker's ring has room for every batch");
        port.wake()
    }

    /// Makes each worker give back memory that is not in use when it has nothing to do (MEMORY PURGE).
    pub fn release_memory(&self) {
        for port in &self.ports {
            port.release.store(true, Ordering::SeqCst);
            port.wake();
        }
    }

    /// Stops the threads after they have executed what they were given.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for port in &self.ports {
            port.wake();
        }
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
    }
}

impl Port {
    fn wake(&self) -> bool {
        // Pairs with the swap in `sleep`: either the worker sees the batch or we see it asleep.
        let asleep = self.asleep.swap(false, Ordering::SeqCst);
        if asleep && let Some(thread) = self.thread.get() {
            thread.unpark();
        }
        asleep
    }

    fn sleep(&self, stopping: &AtomicBool) {
        self.asleep.swap(true, Ordering::SeqCst);
        while self.ring.is_empty()
            && !stopping.load(Ordering::SeqCst)
            && !self.release.load(Ordering::SeqCst)
            && self.asleep.load(Ordering::SeqCst)
        {
            thread::park();
        }
        self.asleep.store(false, Ordering::Relaxed);
    }
}

/// The CPU of thread `i` when threads are spread over a list.
pub fn one_of(list: &CpuList, i: usize) -> CpuList {
    list.cpus().iter().copied().cycle().skip(i).take(1).collect()
}

fn work(port: &Port, executor: &Executor, stopping: &AtomicBool) {
    port.thread.get_or_init(thread::current);
    let server = executor.server();
    let mut idle_since = None;
    loop {
        if let Some(batch) = port.ring.pop() {
            batch.execute(executor, server.output_bound());
            idle_since = None;
            continue;
        }
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        if port.release.swap(false, Ordering::SeqCst) {
            purge();
        }
        let spin_us = server.config.int(rows::BUSY_POLL_US).unsigned_abs();
        if spin_us > 0 {
            let now = monotonic_us();
            if now - *idle_since.get_or_insert(now) < spin_us {
                std::hint::spin_loop();
                continue;
            }
        }
        port.sleep(stopping);
        idle_since = None;
    }
}
