//! The object in the kernel: its maps filled, its programs loaded, and attached where they belong.

use super::error::{SteeringError, described};
use super::host::{self, Interface};
use super::pins::{PINNED, Pins, this_process};
use super::runner::Plan;
use super::told::Told;
use crate::config::choices::{XdpMode, XdpSteering};
use crate::config::guard::GuardRules;
use crate::config::{Config, rows};
use crate::net::listeners::ListenerKind;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{
    Array, CpuMap, HashMap, Map, MapError, PerCpuArray, PerCpuValues, ProgramArray, ReusePortSockArray,
};
use aya::programs::tc::{TcAttachOptions, TcAttachType};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, SkReuseport, Xdp, XdpMode as KernelMode};
use aya::util::{KernelVersion, nr_cpus};
use aya::{Ebpf, EbpfLoader};
use boxcar_ebpf_abi::layout::{
    Address, CLASS_BYTES, CPUS_MAX, GROUPS_MAX, Latency, NO_THREAD, OWN_PLACES, PREFIX_ALLOW, PREFIX_DENY,
    STEER_CPU, STEER_OFF, STEER_QUEUE, Settings, THREADS_MAX, own_place,
};
use boxcar_ebpf_abi::names;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

/// The object, or nothing when the server was built without.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("BOXCAR_EBPF_EMBEDDED"));

/// Frames that may wait for a CPU: the kernel drops what a full queue cannot take, as a network card does.
const CPU_QUEUE: u32 = 2048;

/// The programs, running. They end when this is dropped.
pub struct Loaded {
    pub(super) ebpf: Ebpf,
    pub(super) settings: Settings,
    /// The addresses in the map.
    own: BTreeSet<IpAddr>,
    /// Interfaces, and whether XDP runs in their driver.
    pub(super) attached: Vec<(Interface, bool)>,
    /// Why the probe cannot run here.
    pub(super) no_probe: Option<&'static str>,
    pub(super) pins: Pins,
    /// What the programs tell the log.
    pub(super) told: Told,
}

/// Finds a map as its type.
fn map<'a, M>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<M, SteeringError>
where
    M: TryFrom<&'a mut Map, Error = MapError>,
{
    let map = ebpf.map_mut(name).ok_or(SteeringError::Unfit(name))?;
    // A value of another size: the object was built from other layouts.
    M::try_from(map).map_err(|_| SteeringError::Unfit(name))
}

fn in_map(name: &'static str) -> impl FnOnce(MapError) -> SteeringError {
    move |source| SteeringError::Map { name, source }
}

fn in_program(name: &'static str) -> impl FnOnce(ProgramError) -> SteeringError {
    move |source| SteeringError::Program { name, source }
}

fn program<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, SteeringError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    ebpf.program_mut(name).ok_or(SteeringError::Unfit(name))?.try_into().map_err(in_program(name))
}

impl Loaded {
    /// Loads and attaches everything that the directives ask for.
    pub fn new(config: &Config, plan: &Plan<'_>) -> Result<Self, SteeringError> {
        if OBJECT.is_empty() {
            return Err(SteeringError::NoObject);
        }
        let settings = settings(config, plan)?;
        host::check_privileges()?;
        let bound = plan.bound();
        let interfaces =
            host::chosen_interfaces(&config.text(rows::XDP_INTERFACE), &host::own_addresses(&bound)?)?;
        let pins = Pins::open(plan.port)?;
        let cpus =
            nr_cpus().map_err(|(_, source)| SteeringError::System { what: "counting CPUs", source })?;
        let most = cpus.min(CPUS_MAX) as u32;
        let mut ebpf = EbpfLoader::new()
            .map_max_entries(names::CPUS, most)
            .map_max_entries(names::CPUS_FRAGS, most)
            .load(OBJECT)?;
        let has_tc_links = KernelVersion::current().is_ok_and(|kernel| kernel >= KernelVersion::new(6, 6, 0));
        let no_probe = (!has_tc_links).then_some("it takes Linux 6.6, where tc programs have links");
        let told = Told::open(&mut ebpf)?;
        let mut loaded =
            Self { ebpf, settings, own: BTreeSet::new(), attached: Vec::new(), no_probe, pins, told };
        loaded.fill(plan, cpus)?;
        loaded.set_guard(config)?;
        loaded.set_probe(config)?;
        loaded.refresh_addresses(&bound)?;
        loaded.pin()?;
        loaded.attach(config, plan, interfaces)?;
        Ok(loaded)
    }

    /// What stays as it is for the life of the server.
    fn fill(&mut self, plan: &Plan<'_>, cpus: usize) -> Result<(), SteeringError> {
        let mut owner: Array<_, _> = map(&mut self.ebpf, names::OWNER)?;
        owner.set(0, this_process(), 0).map_err(in_map(names::OWNER))?;
        self.clear_latency()?;
        if self.settings.steering == STEER_OFF {
            return Ok(());
        }
        let mut threads_of_cpus = vec![NO_THREAD; cpus.min(CPUS_MAX)];
        for (thread, &cpu) in plan.thread_cpus.iter().flatten().enumerate() {
            let Some(first) = threads_of_cpus.get_mut(cpu) else {
                return Err(SteeringError::Directives(format!("cpu-affinity: there is no CPU {cpu}")));
            };
            if *first == NO_THREAD {
                *first = thread as u32;
            }
            // `settings` has made sure that there are not more threads; a CPU of this machine's is below CPUS_MAX here.
            self.settings.thread_cpus[thread] = cpu as u16;
        }
        let mut cpu_threads: Array<_, u32> = map(&mut self.ebpf, names::CPU_THREADS)?;
        for (cpu, thread) in threads_of_cpus.iter().enumerate() {
            cpu_threads.set(cpu as u32, thread, 0).map_err(in_map(names::CPU_THREADS))?;
        }
        if self.settings.steering == STEER_CPU {
            for name in [names::CPUS, names::CPUS_FRAGS] {
                let mut cpus: CpuMap<_> = map(&mut self.ebpf, name)?;
                for &cpu in plan.thread_cpus.iter().flatten() {
                    cpus.set(cpu as u32, CPU_QUEUE, None, 0).map_err(|source| {
                        SteeringError::Directives(format!("CPU {cpu} cannot be steered to: {source}"))
                    })?;
                }
            }
        }
        self.fill_listeners(plan)
    }

    fn fill_listeners(&mut self, plan: &Plan<'_>) -> Result<(), SteeringError> {
        let mut sockets: ReusePortSockArray<_> = map(&mut self.ebpf, names::LISTENERS)?;
        for (thread, listeners) in plan.listeners.iter().enumerate() {
            let tcp = listeners.iter().filter(|listener| listener.kind == ListenerKind::Tcp);
            for (group, socket) in tcp.filter_map(|listener| listener.socket.as_ref()).enumerate() {
                let at = (group * THREADS_MAX + thread) as u32;
                sockets.set(at, &socket.as_raw_fd(), 0).map_err(in_map(names::LISTENERS))?;
            }
        }
        Ok(())
    }

    fn pin(&mut self) -> Result<(), SteeringError> {
        for &name in PINNED {
            self.pins.pin(name, self.ebpf.map(name).ok_or(SteeringError::Unfit(name))?)?;
        }
        Ok(())
    }

    fn attach(
        &mut self,
        config: &Config,
        plan: &Plan<'_>,
        interfaces: Vec<Interface>,
    ) -> Result<(), SteeringError> {
        if self.settings.steering != STEER_OFF {
            let select: &mut SkReuseport = program(&mut self.ebpf, names::PROGRAM_SELECT)?;
            select.load().map_err(in_program(names::PROGRAM_SELECT))?;
            for listener in plan.listeners.first().into_iter().flatten() {
                if let (ListenerKind::Tcp, Some(socket)) = (listener.kind, &listener.socket) {
                    select.attach(socket).map_err(in_program(names::PROGRAM_SELECT))?;
                }
            }
        }
        if self.no_probe.is_none() {
            self.load_probe_out_any()?;
            let out: &mut SchedClassifier = program(&mut self.ebpf, names::PROGRAM_PROBE_OUT)?;
            out.load().map_err(in_program(names::PROGRAM_PROBE_OUT))?;
            for interface in &interfaces {
                let options = TcAttachOptions::TcxOrder(LinkOrder::default());
                out.attach_with_options(&interface.name, TcAttachType::Egress, options)
                    .map_err(in_program(names::PROGRAM_PROBE_OUT))?;
            }
        }
        let mode = config.choice(rows::XDP_MODE);
        for interface in interfaces {
            let in_driver = self.attach_xdp(&interface, mode)?;
            self.attached.push((interface, in_driver));
        }
        // A redirect in driver mode makes a new packet of the frame, which knows nothing of a checksum that is to be
        // filled in.
        if self.attached.iter().any(|(interface, in_driver)| *in_driver && interface.is_virtual) {
            self.settings.partial_checksums = 1;
            self.write_settings()?;
        }
        Ok(())
    }

    /// Loads the program that `probe_out` jumps to, and says where it is.
    fn load_probe_out_any(&mut self) -> Result<(), SteeringError> {
        let any: &mut SchedClassifier = program(&mut self.ebpf, names::PROGRAM_PROBE_OUT_ANY)?;
        any.load().map_err(in_program(names::PROGRAM_PROBE_OUT_ANY))?;
        let any = any.fd().and_then(|any| any.try_clone().map_err(ProgramError::IOError));
        let any = any.map_err(in_program(names::PROGRAM_PROBE_OUT_ANY))?;
        let mut place: ProgramArray<_> = map(&mut self.ebpf, names::WAYS_OUT)?;
        place.set(0, &any, 0).map_err(in_map(names::WAYS_OUT))
    }

    /// Attaches XDP by a link; whether it runs in the driver.
    fn attach_xdp(&mut self, interface: &Interface, mode: XdpMode) -> Result<bool, SteeringError> {
        const DRIVER: [(bool, &str); 2] = [(true, names::PROGRAM_STEER), (true, names::PROGRAM_STEER_FRAGS)];
        const GENERIC: (bool, &str) = (false, names::PROGRAM_STEER);
        let tries: &[(bool, &'static str)] = match mode {
            XdpMode::Driver => &DRIVER,
            XdpMode::Generic => &[GENERIC],
            // Generic mode redirects whole packets, so that a checksum that is to be filled in later stays so.
            XdpMode::Auto if interface.is_virtual && self.settings.steering == STEER_CPU => {
                &[GENERIC, DRIVER[0], DRIVER[1]]
            }
            XdpMode::Auto => &[DRIVER[0], DRIVER[1], GENERIC],
        };
        let mut refusals = Vec::new();
        for &(in_driver, name) in tries {
            let mode = if in_driver { KernelMode::Driver } else { KernelMode::Skb };
            let steer = program::<Xdp>(&mut self.ebpf, name)?;
            if steer.fd().is_err() {
                steer.load().map_err(in_program(name))?;
            }
            match steer.attach(&interface.name, mode) {
                Ok(_link) => return Ok(in_driver),
                Err(error) => refusals.push(format!("{}: {}", mode_name(in_driver), described(&error))),
            }
        }
        refusals.dedup();
        let reason = format!("XDP cannot be attached: {}", refusals.join("; "));
        Err(SteeringError::Interface { name: interface.name.clone(), reason })
    }

    fn write_settings(&mut self) -> Result<(), SteeringError> {
        let mut settings: Array<_, Settings> = map(&mut self.ebpf, names::SETTINGS)?;
        settings.set(0, self.settings, 0).map_err(in_map(names::SETTINGS))
    }

    /// Puts `xdp-probe` into effect.
    pub fn set_probe(&mut self, config: &Config) -> Result<(), SteeringError> {
        self.settings.probe = u32::from(config.bool(rows::XDP_PROBE) && self.no_probe.is_none());
        self.write_settings()
    }

    /// Puts `xdp-guard` into effect.
    pub fn set_guard(&mut self, config: &Config) -> Result<(), SteeringError> {
        let rules = GuardRules::parse(&config.text(rows::XDP_GUARD)).map_err(SteeringError::Directives)?;
        let mut prefixes: LpmTrie<_, Address, u32> = map(&mut self.ebpf, names::PREFIXES)?;
        let mut old: Vec<_> =
            prefixes.keys().filter_map(Result::ok).map(|key| (key.prefix_len(), key.data())).collect();
        for (ip, bits, allowed) in rules.iter().flat_map(|rules| &rules.prefixes) {
            let bits = u32::from(*bits) + if ip.is_ipv4() { 96 } else { 0 };
            let address = host::address(*ip);
            let verdict = if *allowed { PREFIX_ALLOW } else { PREFIX_DENY };
            prefixes.insert(&Key::new(bits, address), verdict, 0).map_err(in_map(names::PREFIXES))?;
            old.retain(|&(length, data)| (length, masked(data, length)) != (bits, masked(address, bits)));
        }
        for (length, data) in old {
            prefixes.remove(&Key::new(length, data)).map_err(in_map(names::PREFIXES))?;
        }
        self.settings.guard = u32::from(rules.is_some());
        self.settings.syn_budget = rules.map_or(0, |rules| rules.syn_budget);
        self.write_settings()
    }

    /// Brings the map of addresses up to date with what the machine has now.
    pub fn refresh_addresses(&mut self, bound: &[IpAddr]) -> Result<(), SteeringError> {
        let own = host::own_addresses(bound)?;
        if own == self.own {
            return Ok(());
        }
        let mut addresses: HashMap<_, Address, u32> = map(&mut self.ebpf, names::ADDRESSES)?;
        // Written to the programs with the rest of the settings, below.
        self.settings.own_v4 = [0; OWN_PLACES];
        for ip in own.iter().filter(|ip| ip.is_ipv4()) {
            let word = host::address(*ip).words[3];
            let place = &mut self.settings.own_v4[own_place(word)];
            if *place == 0 {
                *place = word;
            }
        }
        for gone in self.own.difference(&own) {
            addresses.remove(&host::address(*gone)).map_err(in_map(names::ADDRESSES))?;
        }
        for new in own.difference(&self.own) {
            addresses.insert(host::address(*new), 1, 0).map_err(in_map(names::ADDRESSES))?;
        }
        self.own = own;
        self.write_settings()
    }

    /// Sets every histogram to zero.
    pub fn clear_latency(&mut self) -> Result<(), SteeringError> {
        let cpus =
            nr_cpus().map_err(|(_, source)| SteeringError::System { what: "counting CPUs", source })?;
        let every_cpu = |source| SteeringError::System { what: "counting CPUs", source };
        let mut latency: PerCpuArray<_, Latency> = map(&mut self.ebpf, names::LATENCY)?;
        for (class, &reply_bytes_up_to) in CLASS_BYTES.iter().enumerate() {
            let empty = Latency { reply_bytes_up_to, ..Latency::default() };
            let values = PerCpuValues::try_from(vec![empty; cpus]).map_err(every_cpu)?;
            latency.set(class as u32, values, 0).map_err(in_map(names::LATENCY))?;
        }
        let mut fine: PerCpuArray<_, super::figures::Fine> = map(&mut self.ebpf, names::LATENCY_FINE)?;
        for class in 0..CLASS_BYTES.len() {
            let values = PerCpuValues::try_from(vec![super::figures::EMPTY; cpus]).map_err(every_cpu)?;
            fine.set(class as u32, values, 0).map_err(in_map(names::LATENCY_FINE))?;
        }
        Ok(())
    }

    /// A map to read.
    pub fn read<'a, M>(&'a self, name: &'static str) -> Result<M, SteeringError>
    where
        M: TryFrom<&'a Map, Error = MapError>,
    {
        let map = self.ebpf.map(name).ok_or(SteeringError::Unfit(name))?;
        M::try_from(map).map_err(|_| SteeringError::Unfit(name))
    }
}

/// The first `bits` of an address.
fn masked(address: Address, bits: u32) -> u128 {
    let mut bytes = [0; 16];
    for (part, word) in bytes.chunks_exact_mut(4).zip(address.words) {
        part.copy_from_slice(&word.to_ne_bytes());
    }
    u128::from_be_bytes(bytes) & u128::MAX.checked_shl(128 - bits).unwrap_or(0)
}

/// What the directives ask of the programs.
fn settings(config: &Config, plan: &Plan<'_>) -> Result<Settings, SteeringError> {
    let steering = match config.choice(rows::XDP_STEERING) {
        XdpSteering::Off => STEER_OFF,
        XdpSteering::Queue => STEER_QUEUE,
        XdpSteering::Cpu => STEER_CPU,
    };
    let refuse = |text: String| Err(SteeringError::Directives(text));
    if plan.port == 0 {
        return refuse("it serves TCP, and port is 0".to_owned());
    }
    if steering != STEER_OFF {
        if plan.thread_cpus.is_none() {
            return refuse(
                "xdp-steering needs cpu-affinity: a connection's CPU must be its thread's".to_owned(),
            );
        }
        if plan.listeners.len() > THREADS_MAX {
            return refuse(format!("xdp-steering serves at most {THREADS_MAX} I/O threads"));
        }
        if plan.bound().len() > GROUPS_MAX {
            return refuse(format!("xdp-steering serves at most {GROUPS_MAX} addresses of bind"));
        }
    }
    let threads = plan.listeners.len() as u32;
    Ok(Settings { steering, threads, ports: [plan.port, 0, 0, 0], ..Settings::OFF })
}

/// How a mode is called in the log and in INFO.
pub fn mode_name(in_driver: bool) -> &'static str {
    if in_driver { "driver" } else { "generic" }
}
