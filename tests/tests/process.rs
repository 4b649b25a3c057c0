//! The process: how it is configured, what it prints, how it ends and comes back.
#![forbid(unsafe_code)]

use boxcar_tests::matrix::MATRIX;
use boxcar_tests::server::{Options, free_port, new_folder};
use boxcar_tests::{Client, Configuration, Server, Value, in_every_configuration, programs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

in_every_configuration!(
    killed_and_started_again,
    shutdown_ends_it,
    sigterm_ends_it,
    a_unix_socket_serves,
    dir_is_the_folder_the_process_works_in
);

fn boxcar(arguments: &[&str]) -> Command {
    let mut command = Command::new(programs::boxcar());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str]) -> (Output, String) {
    let output = boxcar(arguments).output().expect("the server starts");
    let text = String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned();
    (output, text)
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(Duration::from_millis(5));
    }
}

fn client_at(port: u16) -> Client {
    Client::open(([127, 0, 0, 1], port).into()).expect("somebody listens")
}

/// Kills a process when a test ends early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_version_is_printed() {
    for flag in ["--version", "-v"] {
        let (output, text) = output(&[flag]);
        assert!(output.status.success(), "{text}");
        assert!(text.to_lowercase().contains("boxcar") && text.contains(env!("CARGO_PKG_VERSION")), "{text}");
    }
}

#[test]
fn help_lists_the_directives() {
    let (output, text) = output(&["--help"]);
    assert!(output.status.success(), "{text}");
    for directive in ["--port", "--bind", "--dispatch", "--network", "--maxclients", "--appendonly"] {
        assert!(text.contains(directive), "{directive} is not in the help");
    }
}

#[test]
fn a_wrong_configuration_is_refused_by_name() {
    let wrong: [(&[&str], &[&str]); 7] = [
        (&["--no-such-directive", "1"], &["no-such-directive"]),
        (&["--maxclients", "many"], &["maxclients"]),
        (&["--port", "70000"], &["port", "65535"]),
        (&["--shards", "3"], &["shards"]),
        (&["--dispatch", "sideways"], &["dispatch", "inline"]),
        (&["--maxmemory-policy", "bogus"], &["maxmemory-policy", "noeviction"]),
        (&["/no/such/file.conf"], &["/no/such/file.conf"]),
    ];
    for (arguments, words) in wrong {
        let (output, text) = output(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        for word in words {
            assert!(text.contains(word), "{arguments:?} does not say {word}: {text}");
        }
    }
}

#[test]
fn what_would_deceive_is_refused() {
    // Until there is a log, a server that was told to keep one must not run without.
    let (output, text) = output(&["--port", "0", "--cluster-enabled", "yes"]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cluster-enabled"), "{text}");
}

#[test]
fn a_taken_port_is_an_error() {
    let server = Server::start(MATRIX[0]);
    let (output, text) = output(&["--port", &server.port().to_string(), "--bind", "127.0.0.1", "--save", ""]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.to_lowercase().contains("address already in use"), "{text}");
}

#[test]
fn a_file_and_arguments_configure_it() {
    let folder = new_folder();
    let (port, file) = (free_port(), folder.join("boxcar.conf"));
    let text = format!(
        "# A comment\nport 1\nbind 127.0.0.1\nmaxclients 123\nmaxmemory 100mb\nsave \"\"\ndir {}\n",
        folder.display()
    );
    fs::write(&file, text).expect("a file");
    let arguments = [file.to_str().expect("a path"), "--port", &port.to_string(), "--timeout", "77"];
    let _running = Running(boxcar(&arguments).spawn().expect("the server starts"));
    wait_for("the server listens", || Client::open(([127, 0, 0, 1], port).into()).is_ok());
    let mut client = client_at(port);
    for (directive, value) in [("maxclients", "123"), ("maxmemory", "104857600"), ("timeout", "77")] {
        assert_eq!(client.call(["CONFIG", "GET", directive]).elements()[1].to_text(), value);
    }
    // REWRITE keeps the comment and what was said, and adds what was changed.
    assert_eq!(client.call(["CONFIG", "SET", "maxclients", "321"]), Value::ok());
    assert_eq!(client.call(["CONFIG", "REWRITE"]), Value::ok());
    let rewritten = fs::read_to_string(&file).expect("the file");
    for line in ["# A comment", "maxclients 321", "timeout 77", &format!("port {port}")] {
        assert!(rewritten.lines().any(|l| l == line), "{line:?} is not in\n{rewritten}");
    }
    fs::remove_dir_all(folder).expect("a folder");
}

#[test]
fn standard_input_configures_it() {
    let port = free_port();
    let mut child = boxcar(&["-"]).stdin(Stdio::piped()).spawn().expect("the server starts");
    let text = format!("port {port}\nbind 127.0.0.1\nsave \"\"\nmaxclients 99\n");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("the server reads its input");
    let _running = Running(child);
    wait_for("the server listens", || Client::open(([127, 0, 0, 1], port).into()).is_ok());
    let reply = client_at(port).call(["CONFIG", "GET", "maxclients"]);
    assert_eq!(reply.elements()[1].to_text(), "99");
}

#[test]
fn a_daemon_leaves_a_pid_file_and_a_log() {
    let folder = new_folder();
    let port = free_port();
    let path = |name: &str| folder.join(name).to_str().expect("a path").to_owned();
    let (pid_file, log_file) = (path("boxcar.pid"), path("boxcar.log"));
    let flags = ["--daemonize", "yes", "--pidfile", &pid_file, "--logfile", &log_file, "--dir", &path("")];
    let rest = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""];
    let (output, text) = output(&[&flags[..], &rest[..]].concat());
    assert!(output.status.success(), "{text}");
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    wait_for("the log says that it is ready", || read(&log_file).contains("Ready to accept connections"));
    let pid: i32 = read(&pid_file).trim().parse().expect("a process id");
    assert_eq!(
        client_at(port)
            .call(["INFO", "server"])
            .to_text()
            .lines()
            .find_map(|l| l.strip_prefix("process_id:")),
        Some(pid.to_string().as_str())
    );
    assert!(read(&log_file).contains(&format!(" PID: {pid}")), "{}", read(&log_file));
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
    wait_for("it ends", || !Path::new(&format!("/proc/{pid}")).exists());
    assert!(!Path::new(&pid_file).exists(), "the pid file stays");
    fs::remove_dir_all(folder).expect("a folder");
}

#[test]
fn the_log_begins_like_that_of_redis() {
    let server = Server::start(MATRIX[0]);
    let log = server.log();
    let pid = log.find(&format!(" PID: {}", server.pid())).expect("its process id");
    let ready = log.find("Ready to accept connections").expect("its readiness");
    assert!(pid < ready, "{log}");
}

fn killed_and_started_again(configuration: Configuration) {
    let mut server = Server::start(configuration);
    let mut client = server.client();
    for number in 0..1000 {
        client.call(["SET", &format!("key:{number}"), "value"]);
    }
    for _ in 0..3 {
        server.kill_and_restart();
        assert!(client.try_call(["PING"]).is_err(), "a connection outlived its server");
        client = server.client();
        // Nothing is kept on disk yet: a new server is empty, and works.
        assert_eq!(client.call(["DBSIZE"]), Value::Integer(0));
        assert_eq!(client.call(["SET", "k", "v"]), Value::ok());
    }
}

fn shutdown_ends_it(configuration: Configuration) {
    for arguments in [&["SHUTDOWN"][..], &["SHUTDOWN", "NOSAVE"], &["SHUTDOWN", "NOSAVE", "NOW", "FORCE"]] {
        let mut server = Server::start(configuration);
        let mut other = server.client();
        other.call(["PING"]);
        let mut client = server.client();
        client.send(arguments);
        let status = server.wait_end().expect("it ends");
        assert_eq!(status.code(), Some(0), "{arguments:?}");
        assert!(client.read().is_err(), "SHUTDOWN has a reply");
        assert!(other.wait_closed(Duration::from_secs(1)), "a connection outlived its server");
    }
}

fn sigterm_ends_it(configuration: Configuration) {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Server::start(configuration);
        server.client().call(["SET", "k", "v"]);
        server.signal(signal);
        let status = server.wait_end().expect("it ends");
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(server.log().contains("bye bye"), "{}", server.log());
    }
}

fn a_unix_socket_serves(configuration: Configuration) {
    let folder = new_folder();
    let path = folder.join("boxcar.sock");
    let socket = path.to_str().expect("a path");
    let flags = ["--unixsocket", socket, "--unixsocketperm", "700"];
    let mut server = Options::boxcar(configuration).flags(flags).start();
    let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.write_all(b"SET k v\r\nGET k\r\n").expect("the server reads");
    let mut reply = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut reply).expect("a reply");
    assert_eq!(&reply, b"+OK\r\n$1\r\nv\r\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).expect("a socket").permissions());
    assert_eq!(mode & 0o777, 0o700);
    server.signal(Signal::SIGTERM);
    server.wait_end().expect("it ends");
    assert!(!path.exists(), "the socket stays");
    fs::remove_dir_all(folder).expect("a folder");
}

fn dir_is_the_folder_the_process_works_in(configuration: Configuration) {
    let server = Options::boxcar(configuration).flags(["--enable-protected-configs", "yes"]).start();
    let works_in = || fs::read_link(format!("/proc/{}/cwd", server.pid())).expect("the process is there");
    let mut client = server.client();
    let before = works_in();
    let other = new_folder().canonicalize().expect("it was just made");
    let text = other.to_str().expect("the path is text");
    assert_eq!(client.call(["CONFIG", "SET", "dir", text]).to_text(), "OK");
    assert_eq!(works_in(), other);
    let answer = client.call(["CONFIG", "GET", "dir"]);
    assert!(format!("{answer:?}").contains(text), "{answer:?}");
    // What is no folder is refused, and nothing changes.
    for missing in [&format!("{text}/missing"), "/proc/self/status"] {
        let answer = client.call(["CONFIG", "SET", "dir", missing]);
        assert!(answer.is_error(), "{answer}");
        assert_eq!(works_in(), other);
    }
    assert_eq!(client.call(["CONFIG", "SET", "dir", before.to_str().expect("text")]).to_text(), "OK");
    assert_eq!(works_in(), before);
    fs::remove_dir(&other).expect("nothing was left in it");
}
