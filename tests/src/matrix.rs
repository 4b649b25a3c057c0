//! The configurations that every behaviour must be the same in.

/// One way of running the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configuration {
    /// The directive `dispatch`.
    pub dispatch: &'static str,
    /// The directive `network`.
    pub network: &'static str,
}

/// Both dispatch modes on both network drivers.
pub const MATRIX: [Configuration; 4] = [
    Configuration { dispatch: "inline", network: "epoll" },
    Configuration { dispatch: "inline", network: "io_uring" },
    Configuration { dispatch: "rings", network: "epoll" },
    Configuration { dispatch: "rings", network: "io_uring" },
];

impl Configuration {
    /// The server's flags for it. Two threads of each kind, so that there is somebody to race with.
    #[must_use]
    pub fn flags(self) -> [&'static str; 8] {
        ["--dispatch", self.dispatch, "--network", self.network, "--io-threads", "2", "--worker-threads", "2"]
    }

    /// A name for the names of tests.
    #[must_use]
    pub fn name(self) -> String {
        format!("{}+{}", self.dispatch, self.network)
    }
}

/// Makes four tests of each function that takes a [`Configuration`], one for each entry of [`MATRIX`].
#[macro_export]
macro_rules! in_every_configuration {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            #[test]
            fn inline_epoll() {
                super::$name($crate::matrix::MATRIX[0]);
            }

            #[test]
            fn inline_io_uring() {
                super::$name($crate::matrix::MATRIX[1]);
            }

            #[test]
            fn rings_epoll() {
                super::$name($crate::matrix::MATRIX[2]);
            }

            #[test]
            fn rings_io_uring() {
                super::$name($crate::matrix::MATRIX[3]);
            }
        })+
    };
}
