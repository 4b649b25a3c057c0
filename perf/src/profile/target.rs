//! A server under load, and what is recorded of it.

use super::offcpu::OffCpu;
use super::recorder::{Chains, Subject, record};
use super::script::Kind;
use super::stacks::Stacks;
use super::symbols::Symbols;
use super::syscalls::Syscalls;
use super::{Build, ProfileError, ProfileOptions, Spent};
use crate::bench::{Candidate, Program};
use crate::counters::{Counters, Tracing};
use boxcar_resp::client::{decode, encode_command};
use boxcar_sys::affinity::CpuList;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Time between the start of the load and that of the first recording.
const WARMUP: Duration = Duration::from_millis(500);

/// Longest time that a load may run: it is ended when the recordings are done.
const LOAD_SECONDS: &str = "3600";

/// What every profiled server has: one I/O thread, as in the benchmarks, and nothing on disk.
const FIXED: &[&str] = &["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--io-threads", "1"];

/// A server that runs, with a generator that drives it; both end when this is dropped.
pub(super) struct Target<'a> {
    // Before the server, so that it is ended first.
    load: Generator,
    address: SocketAddr,
    pid: u32,
    binary: PathBuf,
    name: String,
    recordings: PathBuf,
    symbols: Symbols,
    stop: &'a AtomicBool,
    say: &'a mut dyn FnMut(&str),
    /// Held for its end.
    _server: Box<dyn std::any::Any>,
}

impl<'a> Target<'a> {
    /// Starts the server, loads its keys, and starts the load.
    pub fn start(
        options: &ProfileOptions,
        build: &Build,
        stop: &'a AtomicBool,
        say: &'a mut dyn FnMut(&str),
    ) -> Result<Target<'a>, ProfileError> {
        let binary = fs::canonicalize(&build.server)?;
        let folder = fs::canonicalize(&options.recordings)?.join(&build.name);
        fs::create_dir_all(&folder)?;
        say(&format!("{}: starting the server and its load ({})", build.name, options.scenario.about));
        let flags = server_flags(options);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let server = Candidate::store(&build.name, Program::new(&binary, &[]), &flags).start(
            &CpuList::from_iter([options.server_cpu]),
            &folder,
            &[],
        )?;
        let (address, pid) = (server.address, server.pid());
        let mut preload = load_command(options, address.port());
        preload.args(["--preload", "--requests", "1", "--quiet"]);
        let output = preload.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(ProfileError::Load(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let load = Generator::start(options, address.port(), &folder.join("load"))?;
        std::thread::sleep(WARMUP);
        let symbols = Symbols::of(&binary)?;
        let server: Box<dyn std::any::Any> = Box::new(server);
        let name = build.name.clone();
        Ok(Target {
            load,
            address,
            pid,
            binary,
            name,
            recordings: folder,
            symbols,
            stop,
            say,
            _server: server,
        })
    }

    /// Where the CPU time goes: what was spent meanwhile, the stacks, and how many records were lost.
    pub fn on_cpu(&mut self, options: &ProfileOptions) -> Result<(Spent, Stacks, u64), ProfileError> {
        self.say("where the CPU time goes");
        let mut counters = Counters::of_process(self.pid, Tracing::Off)?;
        let (counts, operations) = (counters.read()?, self.operations()?);
        let subject = Subject::OnCpu { frequency: options.frequency, chains: Chains::FramePointers };
        let recording = record(subject, self.pid, options.length, &self.recordings)?;
        let operations = self.operations()?.saturating_sub(operations);
        let counts = counters.read()?.since(&counts);
        self.check()?;
        let (mut stacks, mut lost) = (Stacks::default(), 0);
        recording.replay(|record| match record.kind {
            Kind::Map { start, length, offset, path } => self.symbols.mapped(&path, start, length, offset),
            Kind::Sample { frames, .. } => stacks.add(&record.thread, &self.symbols.names(&frames), 1),
            Kind::Lost(count) => lost += count,
            Kind::Out { .. } | Kind::In => {}
        })?;
        if stacks.is_empty() || operations == 0 {
            return Err(ProfileError::Nothing(format!("{} did nothing while it was recorded", self.name)));
        }
        Ok((Spent { name: self.name.clone(), operations, counts }, stacks, lost))
    }

    /// When and where the threads leave the CPU.
    pub fn off_cpu(&mut self, options: &ProfileOptions) -> Result<OffCpu, ProfileError> {
        self.say("what happens off the CPU");
        let recording = record(Subject::OffCpu, self.pid, options.length, &self.recordings)?;
        self.check()?;
        let mut off = OffCpu::default();
        recording.replay(|record| off.take(record, &mut self.symbols))?;
        Ok(off)
    }

    /// System calls, and how many operations they were for.
    pub fn syscalls(&mut self, options: &ProfileOptions) -> Result<(u64, Syscalls), ProfileError> {
        self.say("system calls");
        // Millions of records are read back as text.
        let length = options.length.min(Duration::from_secs(2));
        let before = self.operations()?;
        let recording = record(Subject::Syscalls, self.pid, length, &self.recordings)?;
        let operations = self.operations()?.saturating_sub(before);
        self.check()?;
        let mut syscalls = Syscalls::default();
        recording.replay(|record| syscalls.take(&record))?;
        Ok((operations, syscalls))
    }

    /// The two command lines, without the paths of this machine.
    pub fn commands(&self, options: &ProfileOptions) -> (String, String) {
        let program = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let quoted = |words: Vec<String>| {
            let words = words.into_iter().map(|word| if word.is_empty() { "''".to_owned() } else { word });
            words.collect::<Vec<_>>().join(" ")
        };
        let server = [vec![program(&self.binary)], server_flags(options)].concat();
        let load = [vec![program(&options.generator)], load_flags(options)].concat();
        (format!("taskset -c {} {}", options.server_cpu, quoted(server)), quoted(load))
    }

    fn say(&mut self, what: &str) {
        (self.say)(&format!("{}: {what}", self.name));
    }

    /// Whether to go on.
    fn check(&mut self) -> Result<(), ProfileError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(ProfileError::Interrupted);
        }
        self.load.check()
    }

    /// Commands that the server has processed so far.
    fn operations(&self) -> Result<u64, ProfileError> {
        let text = info(self.address)?;
        let field = text.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        field
            .and_then(|field| field.trim().parse().ok())
            .ok_or_else(|| ProfileError::Info("it has no total_commands_processed".to_owned()))
    }
}

fn info(address: SocketAddr) -> Result<String, ProfileError> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut request = Vec::new();
    encode_command(&mut request, &["INFO", "stats"]);
    stream.write_all(&request)?;
    let (mut reply, mut more) = (Vec::new(), [0; 4096]);
    loop {
        if let Some((value, _)) = decode(&reply).map_err(|error| ProfileError::Info(error.to_string()))? {
            return Ok(String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned());
        }
        match stream.read(&mut more)? {
            0 => return Err(ProfileError::Info("the server closed the connection".to_owned())),
            read => reply.extend_from_slice(&more[..read]),
        }
    }
}

fn server_flags(options: &ProfileOptions) -> Vec<String> {
    let words = FIXED.iter().chain(options.scenario.server).map(|&word| word.to_owned());
    words.chain(options.server_flags.iter().cloned()).collect()
}

fn load_flags(options: &ProfileOptions) -> Vec<String> {
    let words = ["--cpus".to_owned(), options.load_cpu.to_string()];
    let scenario = options.scenario.load.iter().map(|&word| word.to_owned());
    words.into_iter().chain(scenario).chain(options.load_flags.iter().cloned()).collect()
}

fn load_command(options: &ProfileOptions, port: u16) -> Command {
    let mut command = Command::new(&options.generator);
    command.args(load_flags(options)).args(["--port", &port.to_string()]);
    command
}

/// The generator; it is ended when this is dropped.
struct Generator {
    child: Child,
    log: PathBuf,
}

impl Generator {
    fn start(options: &ProfileOptions, port: u16, log: &Path) -> Result<Generator, ProfileError> {
        let file = fs::File::create(log)?;
        let child = load_command(options, port)
            .args(["--duration", LOAD_SECONDS, "--quiet"])
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        Ok(Generator { child, log: log.to_owned() })
    }

    fn check(&mut self) -> Result<(), ProfileError> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(_) => Err(ProfileError::Load(fs::read_to_string(&self.log)?.trim().to_owned())),
        }
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        // It is not reaped before, so its id is its own. An error means that it has ended by itself.
        if let Ok(None) = self.child.try_wait() {
            let _ended = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
            let _reaped = self.child.wait();
        }
    }
}
