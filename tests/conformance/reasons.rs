//! Why rows are not proved. What stands here is the whole of it: `table` counts a row that is neither
//! proved nor named here as an error, and one that is both as well.

/// Why a row has no test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is about what podinit is not: this will not change.
    Never(Never),
    /// It is about something that podinit does not do yet.
    NotYet(Missing),
}

/// What podinit is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Never {
    /// podinit pulls no images.
    Images,
    /// There is one pod, and no other pods that a node would shut down before or after it.
    Node,
    /// Nobody but podinit has a say in the pod's status.
    Controllers,
    /// Nothing stands between the supervisor and its processes.
    Runtime,
    /// What cannot be is refused before anything is started.
    Waiting,
}

/// What podinit lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    Changes,
    Ephemeral,
    Limits,
    Logs,
    SeLinux,
}

impl Reason {
    /// As it stands in the document.
    pub fn text(self) -> &'static str {
        match self {
            Self::Never(Never::Images) => "about pulling an image, or what the configuration of one says",
            Self::Never(Never::Node) => "about the order in which a node stops its pods",
            Self::Never(Never::Controllers) => {
                "about controllers that set conditions of the pod, or decide whether it is admitted"
            }
            Self::Never(Never::Runtime) => {
                "about a container runtime that is down, or does not know how to do something"
            }
            Self::Never(Never::Waiting) => {
                "about a pod that waits for an object, or has failed for what its node forbids: podinit refuses its \
                 manifest before anything is started"
            }
            Self::NotYet(Missing::Changes) => "needs annotations that change while the pod runs",
            Self::NotYet(Missing::Ephemeral) => "needs containers that are added while the pod runs",
            Self::NotYet(Missing::Limits) => "needs swap, huge pages, or limits of disk space",
            Self::NotYet(Missing::Logs) => "needs log files",
            Self::NotYet(Missing::SeLinux) => "needs a kernel with SELinux to be shown on",
        }
    }
}

impl Never {
    /// What Kubernetes' core and unit tests assert may be left out only where it is about images.
    pub fn is_allowed(self, tier: &str) -> bool {
        match self {
            Self::Images => true,
            Self::Controllers | Self::Node | Self::Runtime | Self::Waiting => tier == "extra",
        }
    }
}

/// The rows that are not proved.
pub const UNPROVED: &[(Reason, &[&str])] = &[
    (
        Reason::Never(Never::Images),
        &[
            "CL-019",
            "CL-020",
            "CL-048",
            "CL-049",
            "CL-068",
            "CL-069",
            "CL-070",
            "CL-090",
            "CL-091",
            "RUNTIME-011",
            "RUNTIME-012",
            "ARGS-001",
            "ARGS-002",
            "ARGS-003",
            "ARGS-004",
        ],
    ),
    (Reason::Never(Never::Controllers), &["COND-016", "SEC-031"]),
    (Reason::Never(Never::Node), &["SHUTDOWN-001", "SHUTDOWN-003", "SHUTDOWN-004"]),
    (Reason::Never(Never::Runtime), &["DEL-020", "SEC-051"]),
    (
        Reason::Never(Never::Waiting),
        &["COND-003", "COND-005", "COND-006", "COND-009", "COND-010", "COND-012", "SEC-055"],
    ),
    (Reason::NotYet(Missing::Changes), &["ENV-007"]),
    (Reason::NotYet(Missing::Ephemeral), &["FILEKEY-012"]),
    (
        Reason::NotYet(Missing::Limits),
        &["DEL-015", "SWAP-006", "SWAP-007", "SWAP-009", "SWAP-011", "SWAP-012", "ENV-017"],
    ),
    (Reason::NotYet(Missing::Logs), &["LOG-001", "LOG-002", "LOG-003"]),
    (Reason::NotYet(Missing::SeLinux), &["SEC-038", "SEC-039", "SEC-040"]),
];
