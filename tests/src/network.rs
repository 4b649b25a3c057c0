//! Two hosts of the test's own: network namespaces joined by a veth pair, made and removed by the test.
//!
//! They take root. Where they cannot be made the test says so and stands down, except on a CI machine, where it fails.

use crate::client::Client;
use crate::programs;
use crate::server::{free_port, new_folder};
use crate::value::Value;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recv, sendto, setsockopt, socket,
};
use nix::sys::time::TimeVal;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// The interface in each namespace.
pub const INTERFACE: &str = "wire";
/// The server's addresses.
pub const SERVER: [&str; 2] = ["10.77.0.1", "fd77::1"];
/// The client's addresses.
pub const CLIENT: [&str; 2] = ["10.77.0.2", "fd77::2"];

/// The flags of a server with the kernel-side programs on the wire.
pub const ON: &[&str] = &["--xdp", "on", "--xdp-interface", INTERFACE];
/// The same with steering to two CPUs.
pub const STEERED: &[&str] =
    &["--xdp", "on", "--xdp-interface", INTERFACE, "--xdp-steering", "cpu", "--cpu-affinity", "0-1"];

/// A namespace for a server and one for its clients; removed when dropped.
pub struct Network {
    server: String,
    client: String,
}

/// Runs a program to its end and gives what it printed.
///
/// # Panics
/// When it fails.
pub fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ip(arguments: &str) -> String {
    succeed(Command::new("ip").args(arguments.split(' ')))
}

impl Network {
    /// Makes the two hosts; `None` when this machine or this user cannot.
    ///
    /// # Panics
    /// On a CI machine that cannot; and when anything fails on one that can.
    #[must_use]
    pub fn new() -> Option<Self> {
        if programs::stands_down("netns") || programs::stands_down("ebpf") {
            return None;
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bxe{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let network = Self { server: format!("{name}s"), client: format!("{name}c") };
        let made = Command::new("ip").args(["netns", "add", &network.server]).output();
        let refusal = match made {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(refusal) = refusal {
            assert!(std::env::var_os("CI").is_none(), "network namespaces cannot be made: {refusal}");
            eprintln!("not run: network namespaces cannot be made: {refusal}");
            return None;
        }
        let (server, client) = (&network.server, &network.client);
        ip(&format!("netns add {client}"));
        ip(&format!(
            "-n {server} link add {INTERFACE} numrxqueues 2 numtxqueues 2 type veth peer name {INTERFACE} \
             netns {client} numrxqueues 2 numtxqueues 2"
        ));
        for (host, [v4, v6]) in [(server, SERVER), (client, CLIENT)] {
            ip(&format!("-n {host} addr add {v4}/24 dev {INTERFACE}"));
            ip(&format!("-n {host} addr add {v6}/64 dev {INTERFACE} nodad"));
            ip(&format!("-n {host} link set lo up"));
            ip(&format!("-n {host} link set {INTERFACE} up"));
        }
        Some(network)
    }

    /// Runs `ip` in the server's namespace.
    pub fn server_ip(&self, arguments: &str) -> String {
        ip(&format!("-n {} {arguments}", self.server))
    }

    /// Runs `ip` in the client's namespace.
    pub fn client_ip(&self, arguments: &str) -> String {
        ip(&format!("-n {} {arguments}", self.client))
    }

    /// A program in the server's namespace.
    #[must_use]
    pub fn on_server(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        Self::on(&self.server, program)
    }

    /// A program in the client's namespace.
    #[must_use]
    pub fn on_client(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        Self::on(&self.client, program)
    }

    fn on(host: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{host}")).arg(program);
        command
    }

    /// Runs `body` as a program on the client's host would; sockets it opens stay there.
    ///
    /// # Panics
    /// When `body` does.
    pub fn as_client<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        Self::as_host(&self.client, body)
    }

    /// Runs `body` as a program on the server's host would.
    ///
    /// # Panics
    /// When `body` does.
    pub fn as_server<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        Self::as_host(&self.server, body)
    }

    fn as_host<T: Send>(host: &str, body: impl FnOnce() -> T + Send) -> T {
        let path = Path::new("/run/netns").join(host);
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let namespace = File::open(path).expect("the host's namespace");
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
                body()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a server under test on its host, on a port that no other test uses.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start(&self, flags: &[&str]) -> WireServer<'_> {
        WireServer::start(self, free_port(), flags)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in [&self.server, &self.client] {
            // One of them may not exist yet.
            let _ = Command::new("ip").args(["netns", "del", host]).output();
        }
    }
}

/// A figure of a class in a reply of LATENCY WIRE.
///
/// # Panics
/// When there is no such class or figure.
#[must_use]
pub fn percentile(reply: &Value, class: &str, name: &str) -> u64 {
    let after = |value: &Value, key: &str| {
        let elements = value.elements();
        let at = elements.iter().position(|element| element.to_text() == key);
        elements[at.unwrap_or_else(|| panic!("no {key} in {value}")) + 1].clone()
    };
    after(&after(reply, class), name).to_text().parse().expect("a number")
}

/// The wire's raw frames, as the host sees them whose thread opens this.
pub struct Capture {
    socket: OwnedFd,
    link: LinkAddr,
}

impl Capture {
    /// Opens the wire of this thread's host.
    ///
    /// # Panics
    /// Without such an interface.
    #[must_use]
    pub fn open() -> Self {
        let interfaces = nix::ifaddrs::getifaddrs().expect("interfaces");
        let link = interfaces.filter(|entry| entry.interface_name == INTERFACE);
        let link = link.filter_map(|entry| entry.address).find_map(|address| address.as_link_addr().copied());
        let link = link.expect("the interface has a link address");
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), SockProtocol::EthAll);
        let socket = socket.expect("root may open a packet socket");
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(10, 0)).expect("an option");
        Self { socket, link }
    }

    /// Sends one frame as it is.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn send(&self, frame: &[u8]) {
        sendto(self.socket.as_raw_fd(), frame, &self.link, MsgFlags::empty()).expect("a frame is sent");
    }

    /// The next frame that holds these bytes.
    ///
    /// # Panics
    /// When none comes within ten seconds.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Vec<u8> {
        let mut frame = [0; 65_536];
        loop {
            let length =
                recv(self.socket.as_raw_fd(), &mut frame, MsgFlags::empty()).expect("a frame in time");
            if frame[..length].windows(bytes.len()).any(|window| window == bytes) {
                return frame[..length].to_vec();
            }
        }
    }
}

/// A server on the server's host; killed when dropped.
pub struct WireServer<'a> {
    network: &'a Network,
    /// Its port.
    pub port: u16,
    folder: PathBuf,
    child: Child,
}

impl<'a> WireServer<'a> {
    /// Starts one on this port and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get there.
    #[must_use]
    pub fn start(network: &'a Network, port: u16, flags: &[&str]) -> Self {
        let mut server = Self::spawn(network, port, flags);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !server.log().contains("Ready to accept connections") {
            let ended = server.child.try_wait().expect("the state of a child");
            assert!(ended.is_none(), "it ended:\n{}", server.log());
            assert!(Instant::now() < deadline, "not ready in time:\n{}", server.log());
            sleep(Duration::from_millis(5));
        }
        server
    }

    /// Starts one that is expected to end at once; gives its log.
    ///
    /// # Panics
    /// When it goes on.
    #[must_use]
    pub fn refused(network: &'a Network, port: u16, flags: &[&str]) -> String {
        let mut server = Self::spawn(network, port, flags);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = server.child.try_wait().expect("the state of a child") {
                assert_eq!(status.code(), Some(1), "{}", server.log());
                return server.log();
            }
            assert!(Instant::now() < deadline, "it goes on:\n{}", server.log());
            sleep(Duration::from_millis(5));
        }
    }

    fn spawn(network: &'a Network, port: u16, flags: &[&str]) -> Self {
        let folder = new_folder();
        let log = File::create(folder.join("log")).expect("a log file");
        let child = network
            .on_server(programs::boxcar())
            .args(["--port", &port.to_string(), "--protected-mode", "no", "--save", "", "--dir"])
            .arg(&folder)
            .args(["--io-threads", "2", "--enable-debug-command", "yes"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("the server starts");
        Self { network, port, folder, child }
    }

    /// What it has written to its standard streams.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its address: 0 is IPv4, 1 is IPv6.
    #[must_use]
    pub fn address(&self, family: usize) -> SocketAddr {
        let ip: IpAddr = SERVER[family].parse().expect("an address");
        (ip, self.port).into()
    }

    /// A connection over the wire.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn client(&self, family: usize) -> Client {
        let address = self.address(family);
        self.network
            .as_client(|| Client::open(address))
            .unwrap_or_else(|e| panic!("{address}: {e}\n{}", self.log()))
    }

    /// One field of INFO ebpf.
    ///
    /// # Panics
    /// When there is no such field.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        let text = self.client(0).call(["INFO", "ebpf"]).to_text();
        let found =
            text.lines().find_map(|line| line.strip_prefix("ebpf_")?.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap_or_else(|| panic!("INFO ebpf has no {name}:\n{text}")).trim_end().to_owned()
    }

    /// One counter of INFO ebpf.
    ///
    /// # Panics
    /// When there is no such counter.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.field(name).parse().expect("a number")
    }

    /// Where its maps are pinned.
    #[must_use]
    pub fn pins(&self) -> PathBuf {
        Path::new("/sys/fs/bpf/boxcar").join(self.port.to_string())
    }

    /// Kills it without warning.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn kill(&mut self) {
        self.child.kill().expect("a running server can be killed");
        self.child.wait().expect("a killed server ends");
    }

    /// Ends it in an orderly way.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.pid().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)
            .expect("a signal for a running server");
        self.child.wait().expect("it ends");
    }
}

impl Drop for WireServer<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
        // What a killed server leaves; the next one of its port would take it over.
        for pin in fs::read_dir(self.pins()).into_iter().flatten().flatten() {
            let _ = fs::remove_file(pin.path());
        }
        let _ = fs::remove_dir(self.pins());
    }
}
