//! A pod as kernel work, in data: what to execute with which arguments and environment, what a signal
//! to the supervisor means, what the kernel's command line asks for. Pure: it is handed what the host knows
//! and does nothing itself.

mod accounts;
mod ahead;
mod boot;
mod cgroup;
mod command;
mod credentials;
mod environment;
mod facts;
mod features;
mod hosts;
mod isolation;
mod labels;
mod landlock;
mod lost;
mod mounts;
mod network;
mod projected;
mod resources;
mod seccomp;
mod signals;
mod users;

pub use accounts::{Accounts, MOST_ACCOUNT_BYTES};
pub use ahead::is_known_ahead;
pub use boot::{AtEnd, Boot, Typed, is_built_in, modules_to_load, typed};
pub use cgroup::{
    CgroupFile, CgroupValue, CgroupWrite, Controller, GroupOf, KubeletSetting, container_cgroup,
    kubelet_settings, limited_by, pod_cgroup, resized, wants_cgroups,
};
pub use command::{
    AttemptInputs, CommandPlan, NodeVariables, container, container_mounts, exact, hook, inherited, probe,
};
pub use credentials::{Credentials, Identity, asks_for_identity, credentials};
pub use environment::{
    FilesRead, Surroundings, VolumeFilesRead, asks_for_surroundings, files, pod_asks_for_surroundings,
    volume_env_files,
};
pub use facts::{Around, Fact, Finding, HostFacts, Ids, Knob, Lack, Signs, asked_of_host, remedy};
pub use features::{Feature, left_out};
pub use hosts::{Hostname, hostname, hosts, hosts_with_host_network, resolv_conf};
pub use isolation::{
    ContainerIsolation, Images, Isolation, ProcessNamespace, Root, isolation, missing_image_volumes,
};
pub use labels::{
    DEFAULT_APP_ARMOR, DefaultProfile, app_armor_profile, default_profile, has_se_linux_label, se_linux_label,
};
pub use landlock::{Landlock, Writable};
pub use lost::{
    Fitted, Instead, Loss, LossClass, Protection, Reduction, Unfit, fitted, lost, lost_of_network,
};
pub use mounts::{Mount, MountPlan, MountSource, VolumePlace, volume_place};
pub use network::{NAME_SERVER, NetworkPlan, POD_ADDRESS, Published, Reach, network};
pub use projected::{VolumeFile, volume_files};
pub use resources::{CPU_PERIOD, Effective, QosClass, effective, oom_score_adj, qos_class};
pub use seccomp::{Filter, Instruction, localhost, runtime_default};
pub use signals::{Meaning, SignalPolicy, Situation};
pub use users::{IDS_OF_POD, IdFiles, OWNER_OF_RANGES, ranges_for_pods};
