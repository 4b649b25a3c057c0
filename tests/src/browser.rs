//! A headless Chromium, driven by the DevTools protocol over a pair of pipes: no port, no WebSocket.

use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A browser with one page; it ends when this is dropped.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    inbox: Receiver<Value>,
    next: u64,
    session: Option<String>,
    profile: PathBuf,
    /// What the browser has told by itself, oldest first.
    pub events: Vec<Value>,
}

impl Browser {
    /// Starts one, with an empty page.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub fn start() -> io::Result<Browser> {
        let profile = std::env::temp_dir().join(format!("boxcar-browser-{}", std::process::id()));
        fs::create_dir_all(&profile)?;
        // The browser reads commands from its descriptor 3 and answers on 4; a shell puts our pipes there.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "chromium"])
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"])
            .args([
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--hide-scrollbars",
                "--force-device-scale-factor=1",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let commands = child.stdin.take().expect("standard input is a pipe");
        let answers = child.stdout.take().expect("standard output is a pipe");
        let (sender, inbox) = channel();
        std::thread::spawn(move || {
            let mut answers = BufReader::new(answers);
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|len| len > 0) {
                message.pop();
                // Whoever does not listen any more has ended.
                if serde_json::from_slice(&message).is_ok_and(|value: Value| sender.send(value).is_err()) {
                    return;
                }
                message.clear();
            }
        });
        let mut browser =
            Browser { child, commands, inbox, next: 0, session: None, profile, events: Vec::new() };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach)?;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}))?;
        }
        Ok(browser)
    }

    /// Calls a method and waits for its result; events that come meanwhile are kept.
    ///
    /// # Errors
    /// The browser refuses, has ended, or does not answer.
    pub fn call(&mut self, method: &str, parameters: &Value) -> io::Result<Value> {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        self.commands.write_all(&bytes)?;
        let start = Instant::now();
        loop {
            let mut answer = self.receive(start, method)?;
            if answer["id"] != json!(id) {
                self.events.push(answer);
            } else if answer["error"].is_object() {
                return Err(io::Error::other(format!("{method}: {}", answer["error"]["message"])));
            } else {
                return Ok(answer["result"].take());
            }
        }
    }

    /// Opens a file in the page, `width` and `height` pixels large, in `scheme` (light or dark), and waits until it has loaded.
    ///
    /// # Errors
    /// The browser does not do it.
    pub fn open(&mut self, file: &Path, (width, height): (u32, u32), scheme: &str) -> io::Result<()> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &size)?;
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &features)?;
        self.events.clear();
        let went = self.call("Page.navigate", &json!({"url": format!("file://{}", file.display())}))?;
        if let Some(error) = went["errorText"].as_str() {
            return Err(io::Error::other(format!("{}: {error}", file.display())));
        }
        let start = Instant::now();
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.receive(start, "loading")?;
            self.events.push(event);
        }
        Ok(())
    }

    /// The value of a JavaScript expression in the page.
    ///
    /// # Errors
    /// It throws, or the browser does not answer.
    pub fn evaluate(&mut self, expression: &str) -> io::Result<Value> {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut found = self.call("Runtime.evaluate", &asked)?;
        if found["exceptionDetails"].is_object() {
            return Err(io::Error::other(found["exceptionDetails"].to_string()));
        }
        Ok(found["result"]["value"].take())
    }

    /// A part of the page as a PNG: x, y, width and height in pixels from the page's upper left corner.
    ///
    /// # Errors
    /// The browser does not answer with a picture.
    pub fn picture(&mut self, (x, y, width, height): (f64, f64, f64, f64)) -> io::Result<Vec<u8>> {
        use base64::Engine;
        let clip = json!({"x": x, "y": y, "width": width, "height": height, "scale": 1});
        let asked = json!({"format": "png", "clip": clip, "captureBeyondViewport": true});
        let picture = self.call("Page.captureScreenshot", &asked)?;
        let data = picture["data"].as_str().unwrap_or_default();
        base64::engine::general_purpose::STANDARD.decode(data).map_err(io::Error::other)
    }

    fn receive(&mut self, start: Instant, doing: &str) -> io::Result<Value> {
        let left = PATIENCE.saturating_sub(start.elapsed());
        let late = |error| io::Error::new(io::ErrorKind::TimedOut, format!("{doing}: {error}"));
        self.inbox.recv_timeout(left).map_err(late)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = None;
        // The polite way ends its children too; without an answer it is killed.
        if self.call("Browser.close", &json!({})).is_err() {
            let _ended = self.child.kill();
        }
        let _reaped = self.child.wait();
        let _left = fs::remove_dir_all(&self.profile);
    }
}
