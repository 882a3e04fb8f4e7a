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
}

/// What podinit lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    Addresses,
    Limits,
    Logs,
    Mounts,
    Privileges,
    TerminationMessages,
}

impl Reason {
    /// As it stands in the document.
    pub fn text(self) -> &'static str {
        match self {
            Self::Never(Never::Images) => "about pulling an image, or what the configuration of one says",
            Self::Never(Never::Node) => "about the order in which a node stops its pods",
            Self::Never(Never::Controllers) => "about controllers that set conditions of the pod",
            Self::Never(Never::Runtime) => "about a container runtime that is down",
            Self::NotYet(Missing::Addresses) => {
                "needs a network, host names or a hosts file of the pod's own"
            }
            Self::NotYet(Missing::Limits) => {
                "needs MemoryQoS, singleProcessOOMKill or limits of huge pages, swap, disk or processes"
            }
            Self::NotYet(Missing::Logs) => "needs log files",
            Self::NotYet(Missing::Mounts) => "needs volumes or mounts",
            Self::NotYet(Missing::Privileges) => "needs users, capabilities, sysctls or namespaces",
            Self::NotYet(Missing::TerminationMessages) => "needs termination messages",
        }
    }
}

impl Never {
    /// What Kubernetes' core and unit tests assert may be left out only where it is about images.
    pub fn is_allowed(self, tier: &str) -> bool {
        match self {
            Self::Images => true,
            Self::Controllers | Self::Node | Self::Runtime => tier == "extra",
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
    (Reason::Never(Never::Controllers), &["COND-016"]),
    (Reason::Never(Never::Node), &["SHUTDOWN-001", "SHUTDOWN-003", "SHUTDOWN-004"]),
    (Reason::Never(Never::Runtime), &["DEL-020"]),
    (
        Reason::NotYet(Missing::Addresses),
        &[
            "RUNTIME-020",
            "HOST-001",
            "HOST-003",
            "HOST-004",
            "HOST-007",
            "HOST-008",
            "HOST-011",
            "HOST-012",
            "HOST-013",
        ],
    ),
    (
        Reason::NotYet(Missing::Limits),
        &[
            "DEL-015",
            "OOM-005",
            "MEMQOS-002",
            "MEMQOS-004",
            "MEMQOS-006",
            "MEMQOS-007",
            "MEMQOS-009",
            "MEMQOS-010",
            "MEMQOS-013",
            "MEMQOS-016",
            "MEMQOS-020",
            "MEMQOS-022",
            "SWAP-005",
            "SWAP-006",
            "SWAP-007",
            "SWAP-009",
            "SWAP-011",
            "SWAP-012",
            "PIDS-001",
            "ENV-017",
        ],
    ),
    (Reason::NotYet(Missing::Logs), &["RUNTIME-015", "LOG-001", "LOG-002", "LOG-003"]),
    (
        Reason::NotYet(Missing::Mounts),
        &[
            "ENV-005",
            "ENV-006",
            "ENV-007",
            "ENV-008",
            "SEC-049",
            "SEC-051",
            "FILEKEY-012",
            "COND-003",
            "COND-005",
            "COND-006",
            "COND-009",
            "COND-010",
            "COND-012",
        ],
    ),
    (
        Reason::NotYet(Missing::Privileges),
        &[
            "RUNTIME-019",
            "SEC-001",
            "SEC-002",
            "SEC-003",
            "SEC-004",
            "SEC-005",
            "SEC-006",
            "SEC-007",
            "SEC-009",
            "SEC-010",
            "SEC-011",
            "SEC-015",
            "SEC-016",
            "SEC-017",
            "SEC-018",
            "SEC-020",
            "SEC-021",
            "SEC-022",
            "SEC-025",
            "SEC-026",
            "SEC-029",
            "SEC-030",
            "SEC-031",
            "SEC-032",
            "SEC-033",
            "SEC-034",
            "SEC-035",
            "SEC-037",
            "SEC-038",
            "SEC-039",
            "SEC-040",
            "SEC-041",
            "SEC-042",
            "SEC-043",
            "SEC-044",
            "SEC-045",
            "SEC-046",
            "SEC-048",
            "SEC-053",
            "SEC-055",
            "SEC-056",
        ],
    ),
    (
        Reason::NotYet(Missing::TerminationMessages),
        &["RUNTIME-005", "RUNTIME-006", "RUNTIME-007", "RUNTIME-008"],
    ),
];
