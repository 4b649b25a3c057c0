//! The handle of the kernel-side programs, and the thread that keeps their tables true.

use super::figures;
use super::loader::{Loaded, mode_name};
use super::{SteeringError, host};
use crate::commands::wire::{Wire, WireLatency};
use crate::config::choices::Xdp;
use crate::config::{Config, rows};
use crate::net::listeners::{Listener, ListenerKind};
use boxcar_ebpf_abi::layout::STEER_CPU;
use boxcar_sys::socket::local_tcp_address;
use std::net::IpAddr;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the tables are brought up to date.
const PERIOD: Duration = Duration::from_secs(1);

/// What the programs have to know of the server that is about to start.
pub struct Plan<'a> {
    /// The TCP port, 0 for none.
    pub port: u16,
    /// The CPU of each I/O thread, if they are pinned to one each.
    pub thread_cpus: Option<Vec<usize>>,
    /// The listening sockets of each I/O thread.
    pub listeners: &'a [Vec<Listener>],
}

impl Plan<'_> {
    /// The addresses that the server listens on, in the order of every thread's listeners.
    pub(super) fn bound(&self) -> Vec<IpAddr> {
        let first = self.listeners.first().into_iter().flatten();
        let tcp = first.filter(|listener| listener.kind == ListenerKind::Tcp);
        let sockets = tcp.filter_map(|listener| listener.socket.as_ref());
        sockets.filter_map(|socket| Some(local_tcp_address(socket).ok()??.ip())).collect()
    }
}

/// The kernel-side programs of this server, whether they run or not.
pub struct Steering {
    config: Arc<Config>,
    state: Mutex<State>,
    keeper: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

enum State {
    Running(Box<Loaded>),
    /// Why not.
    Off(String),
}

impl Steering {
    /// Does what `xdp` says. Must run before the I/O threads take the listening sockets.
    ///
    /// # Errors
    /// With `xdp on`, whatever keeps the programs from running.
    pub fn start(config: &Arc<Config>, plan: &Plan<'_>) -> Result<Arc<Self>, SteeringError> {
        let state = match config.choice(rows::XDP) {
            Xdp::Off => State::Off("xdp is off".to_owned()),
            Xdp::On => State::Running(Box::new(Loaded::new(config, plan)?)),
            Xdp::Auto => match Loaded::new(config, plan) {
                Ok(loaded) => State::Running(Box::new(loaded)),
                Err(error) => {
                    tracing::info!("xdp auto: running without: {error}");
                    State::Off(error.to_string())
                }
            },
        };
        let steering =
            Arc::new(Self { config: Arc::clone(config), state: Mutex::new(state), keeper: Mutex::default() });
        if let State::Running(loaded) = &*steering.state() {
            report(loaded);
        }
        if steering.is_running() {
            steering.follow_config();
            steering.keep(plan.bound())?;
        }
        Ok(steering)
    }

    /// Detaches everything and removes the pinned maps.
    pub fn stop(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((end, thread)) = keeper {
            drop(end);
            if thread.join().is_err() {
                tracing::error!("the thread of the kernel-side programs panicked");
            }
        }
        *self.state() = State::Off("the server is stopping".to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_running(&self) -> bool {
        matches!(&*self.state(), State::Running(_))
    }

    /// Lets `xdp-probe` and `xdp-guard` take effect when they are changed.
    fn follow_config(self: &Arc<Self>) {
        let on_change = |apply: fn(&mut Loaded, &Config) -> Result<(), SteeringError>| {
            let steering = Arc::downgrade(self);
            move |config: &Config| {
                let Some(steering) = steering.upgrade() else { return Ok(()) };
                let mut state = steering.state();
                let State::Running(loaded) = &mut *state else { return Ok(()) };
                apply(loaded, config).map_err(|error| error.to_string())
            }
        };
        self.config.on_change(rows::XDP_PROBE, on_change(Loaded::set_probe));
        self.config.on_change(rows::XDP_GUARD, on_change(Loaded::set_guard));
    }

    /// Starts the thread that follows the machine's addresses and watches for what an operator has to know.
    fn keep(self: &Arc<Self>, bound: Vec<IpAddr>) -> Result<(), SteeringError> {
        let steering = Arc::downgrade(self);
        let (end, ended) = mpsc::channel();
        let body = move || {
            let mut watch = Watch::default();
            while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                let Some(steering) = steering.upgrade() else { break };
                if let State::Running(loaded) = &mut *steering.state() {
                    watch.look(loaded, &bound);
                }
            }
        };
        let thread = thread::Builder::new()
            .name("boxcar-ebpf".to_owned())
            .spawn(body)
            .map_err(|source| SteeringError::System { what: "starting a thread", source })?;
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some((end, thread));
        Ok(())
    }
}

/// What was said already.
#[derive(Default)]
struct Watch {
    told_of_checksums: bool,
    told_of_failure: bool,
    /// Numbers of interfaces that were seen to be gone.
    gone: Vec<u32>,
}

impl Watch {
    fn look(&mut self, loaded: &mut Loaded, bound: &[IpAddr]) {
        if let Err(error) = self.try_look(loaded, bound)
            && !std::mem::replace(&mut self.told_of_failure, true)
        {
            tracing::warn!("XDP: the tables cannot be kept up to date: {error}");
        }
    }

    fn look_for_interfaces(&mut self, loaded: &Loaded) {
        for (interface, _) in &loaded.attached {
            if !self.gone.contains(&interface.index) && !interface.is_there() {
                self.gone.push(interface.index);
                tracing::warn!(
                    "XDP: the interface {} is gone: what comes in by another is served, but neither steered nor measured. A \
                     restart attaches the programs to what is there then",
                    interface.name
                );
            }
        }
    }

    fn try_look(&mut self, loaded: &mut Loaded, bound: &[IpAddr]) -> Result<(), SteeringError> {
        loaded.told.pass_on();
        self.look_for_interfaces(loaded);
        loaded.refresh_addresses(bound)?;
        if !self.told_of_checksums && figures::partial_checksums(loaded)? > 0 {
            self.told_of_checksums = true;
            tracing::warn!(
                "XDP: frames arrive whose checksums are not filled in; they are served, but not steered. Let the sending \
                 side fill them in (`ethtool -K <its interface> tx off`), or choose xdp-mode generic"
            );
        }
        Ok(())
    }
}

/// Tells the log what runs where.
fn report(loaded: &Loaded) {
    for (interface, in_driver) in &loaded.attached {
        tracing::info!("XDP runs on {} in {} mode", interface.name, mode_name(*in_driver));
        let vlans = host::vlans_on(&interface.name);
        if *in_driver && loaded.settings.steering == STEER_CPU && !vlans.is_empty() {
            tracing::warn!(
                "XDP: {0} carries VLANs ({1}). If it takes their tags off by itself, packets that are steered to another \
                 CPU lose them: `ethtool -K {0} rxvlan off`, or choose xdp-mode generic",
                interface.name,
                vlans.join(", ")
            );
        }
    }
    if let Some(reason) = loaded.no_probe {
        tracing::warn!("XDP: nothing is measured on the wire: {reason}");
    }
    tracing::info!("XDP: bpftool finds its maps in {}", loaded.pins.folder().display());
}

impl Wire for Steering {
    fn info(&self, text: &mut String) {
        match &*self.state() {
            State::Running(loaded) => figures::info(loaded, &self.config, text),
            State::Off(reason) => figures::info_off(reason, text),
        }
    }

    fn latency(&self) -> Result<Vec<WireLatency>, String> {
        match &*self.state() {
            State::Running(loaded) => match loaded.no_probe {
                Some(reason) => Err(reason.to_owned()),
                None => figures::latency(loaded).map_err(|error| error.to_string()),
            },
            State::Off(reason) => Err(reason.clone()),
        }
    }

    fn total(&self) -> Result<Option<WireLatency>, String> {
        match &*self.state() {
            State::Running(loaded) if loaded.settings.probe != 0 => {
                figures::total(loaded).map(Some).map_err(|error| error.to_string())
            }
            State::Running(_) | State::Off(_) => Ok(None),
        }
    }

    fn reset(&self) -> Result<(), String> {
        match &mut *self.state() {
            State::Running(loaded) => loaded.clear_latency().map_err(|error| error.to_string()),
            State::Off(reason) => Err(reason.clone()),
        }
    }
}
