//! The enums that directives with named values are read as.

/// A directive's value that is one of several names.
pub trait Choice: Copy + 'static {
    /// Accepted names with the number each stands for. Where two names share a number, the first is reported.
    const NAMES: &'static [(&'static str, u8)];

    /// The variant of a number out of [`Choice::NAMES`].
    fn from_number(number: u8) -> Self;
}

macro_rules! choices {
    ($(
        $(#[$doc:meta])+
        $name:ident { $( $(#[$variant_doc:meta])+ $variant:ident = $first:literal $(| $other:literal)*, )+ }
    )+) => { $(
        $(#[$doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum $name { $( $(#[$variant_doc])+ $variant, )+ }

        impl Choice for $name {
            const NAMES: &'static [(&'static str, u8)] = &[
                $( ($first, $name::$variant as u8), $( ($other, $name::$variant as u8), )* )+
            ];

            fn from_number(number: u8) -> Self {
                const VARIANTS: &[$name] = &[$( $name::$variant ),+];
                VARIANTS[usize::from(number)]
            }
        }
    )+ };
}

choices! {
    /// `network`: the kernel interface that moves bytes.
    Network {
        /// io_uring where the kernel allows it, else epoll.
        Auto = "auto",
        /// io_uring, or refuse to start.
        IoUring = "io_uring",
        /// epoll.
        Epoll = "epoll",
    }

    /// `dispatch`: which thread executes a command.
    Dispatch {
        /// The I/O thread that parsed it.
        Inline = "inline",
        /// A worker thread, reached over a ring.
        Rings = "rings",
        /// The server decides.
        Auto = "auto",
    }

    /// `xdp`: the kernel-side programs.
    Xdp {
        /// Not loaded.
        Off = "off",
        /// Loaded where that is possible.
        Auto = "auto",
        /// Loaded, or the server refuses to start.
        On = "on",
    }

    /// `xdp-mode`: where XDP runs.
    XdpMode {
        /// In the driver where that is possible and serves.
        Auto = "auto",
        /// In the driver.
        Driver = "driver",
        /// In the kernel's generic path, on any interface.
        Generic = "generic",
    }

    /// `xdp-steering`: which I/O thread serves a connection.
    XdpSteering {
        /// The kernel's choice.
        Off = "off",
        /// The one on the CPU whose queue receives it.
        Queue = "queue",
        /// The one that a hash names, its packets sent to that CPU.
        Cpu = "cpu",
    }

    /// `loglevel`, from most to least talkative.
    LogLevel {
        /// Everything.
        Debug = "debug",
        /// Connections and other routine events.
        Verbose = "verbose",
        /// What an operator wants to see.
        Notice = "notice",
        /// Only what needs attention.
        Warning = "warning",
        /// Nothing.
        Nothing = "nothing",
    }

    /// `enable-debug-command` and its like: who may use a guarded operation.
    Guard {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Connections over the loopback address or a unix socket.
        Local = "local",
    }

    /// `supervised`: the service manager told about readiness.
    Supervised {
        /// upstart.
        Upstart = "upstart",
        /// systemd.
        Systemd = "systemd",
        /// Whichever the environment names.
        Auto = "auto",
        /// None.
        No = "no",
    }

    /// `syslog-facility`.
    SyslogFacility {
        /// user
        User = "user",
        /// local0
        Local0 = "local0",
        /// local1
        Local1 = "local1",
        /// local2
        Local2 = "local2",
        /// local3
        Local3 = "local3",
        /// local4
        Local4 = "local4",
        /// local5
        Local5 = "local5",
        /// local6
        Local6 = "local6",
        /// local7
        Local7 = "local7",
    }

    /// `maxmemory-policy`: what to evict when memory is full.
    MaxmemoryPolicy {
        /// Least recently used among keys with an expiry.
        VolatileLru = "volatile-lru",
        /// Least frequently used among keys with an expiry.
        VolatileLfu = "volatile-lfu",
        /// Any key with an expiry.
        VolatileRandom = "volatile-random",
        /// The key that expires soonest.
        VolatileTtl = "volatile-ttl",
        /// Least recently used of all keys.
        AllkeysLru = "allkeys-lru",
        /// Least frequently used of all keys.
        AllkeysLfu = "allkeys-lfu",
        /// Any key.
        AllkeysRandom = "allkeys-random",
        /// Nothing: writes fail instead.
        NoEviction = "noeviction",
    }

    /// `appendfsync`: when the append-only file reaches the disk.
    AppendFsync {
        /// Once a second.
        EverySec = "everysec",
        /// Before each reply.
        Always = "always",
        /// When the kernel likes.
        No = "no",
    }

    /// `repl-diskless-load`.
    DisklessLoad {
        /// Through a file.
        Disabled = "disabled",
        /// From the socket when there is no data to lose.
        OnEmptyDb = "on-empty-db",
        /// From the socket, old data kept until the new is whole.
        SwapDb = "swapdb",
    }

    /// `tls-auth-clients`: whether clients must show a certificate.
    TlsAuthClients {
        /// Not asked for.
        No = "no",
        /// Required.
        Yes = "yes",
        /// Checked when shown.
        Optional = "optional",
    }

    /// `oom-score-adj`: whether the process adjusts its own out-of-memory score.
    OomScoreAdj {
        /// Left alone.
        No = "no",
        /// Values are added to the score the process started with.
        Relative = "yes" | "relative",
        /// Values are written as they are.
        Absolute = "absolute",
    }

    /// `acl-pubsub-default`: channels of a new ACL user.
    AclPubsubDefault {
        /// All.
        AllChannels = "allchannels",
        /// None.
        ResetChannels = "resetchannels",
    }

    /// `sanitize-dump-payload`: whether serialised values are checked in depth on load.
    SanitizeDumpPayload {
        /// Never.
        No = "no",
        /// Always.
        Yes = "yes",
        /// When they come from a client.
        Clients = "clients",
    }

    /// `cluster-preferred-endpoint-type`.
    EndpointType {
        /// Address.
        Ip = "ip",
        /// Host name.
        Hostname = "hostname",
        /// None: clients use the address they came by.
        UnknownEndpoint = "unknown-endpoint",
    }

    /// `propagation-error-behavior`.
    PropagationError {
        /// Logged.
        Ignore = "ignore",
        /// The process stops.
        Panic = "panic",
        /// The process stops when it is a replica.
        PanicOnReplicas = "panic-on-replicas",
    }
}
