//! What a pod's and its containers' cgroups are given: files and values, from requests and limits (rules 164
//! to 171), and in which order they change at a resize (rule 175). Knows no directory and no kernel.

use std::fmt;

use super::resources::{self, CPU_PERIOD, Effective, QosClass};
use crate::spec::{Container, ContainerId, MemoryReservationPolicy, Pod, Profile, Quantity, Resources};

/// A part of the kernel that a group's files belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// Time on processors.
    Cpu,
    /// Memory.
    Memory,
    /// How many processes and threads there are.
    Pids,
}

/// A file of a group that podinit writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupFile {
    /// Share of processor time where others want it too, 1 to 10000.
    CpuWeight,
    /// At most so many microseconds of each 100,000.
    CpuMax,
    /// At most so many bytes.
    MemoryMax,
    /// Above so many bytes whoever wants more is slowed down.
    MemoryHigh,
    /// So many bytes are not reclaimed, whatever happens.
    MemoryMin,
    /// So many bytes are not reclaimed while there are others.
    MemoryLow,
    /// At most so many bytes of swap.
    MemorySwapMax,
    /// Whether one process that is killed for want of memory takes the others of the group with it.
    MemoryOomGroup,
    /// At most so many processes and threads.
    PidsMax,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CgroupValue {
    /// A number, in the file's own unit.
    Number(u64),
    /// No limit: more than any number.
    Max,
}

/// A file and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CgroupWrite {
    /// Which file.
    pub file: CgroupFile,
    /// What it is to hold.
    pub value: CgroupValue,
}

/// Whose group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupOf {
    /// The pod's, in which those of the containers are.
    Pod,
    /// The container's.
    Container,
}

impl Controller {
    /// Every one that podinit uses.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Pids];

    /// Those that the pod's groups are to have.
    pub fn wanted_by(pod: &Pod) -> impl Iterator<Item = Self> {
        let limits_pids = pod.kubelet.pod_pids_limit.is_some();
        Self::ALL.into_iter().filter(move |controller| *controller != Self::Pids || limits_pids)
    }

    /// As in cgroup.controllers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }

    fn limit(self, resources: &Resources) -> Option<Quantity> {
        let limit = match self {
            Self::Cpu => resources.limits.cpu,
            Self::Memory => resources.limits.memory,
            // Only a pod has one, and not among its resources.
            Self::Pids => None,
        };
        limit.filter(|limit| !limit.is_zero())
    }
}

impl CgroupFile {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuWeight => "cpu.weight",
            Self::CpuMax => "cpu.max",
            Self::MemoryMax => "memory.max",
            Self::MemoryHigh => "memory.high",
            Self::MemoryMin => "memory.min",
            Self::MemoryLow => "memory.low",
            Self::MemorySwapMax => "memory.swap.max",
            Self::MemoryOomGroup => "memory.oom.group",
            Self::PidsMax => "pids.max",
        }
    }

    /// Whose file it is.
    pub fn controller(self) -> Controller {
        match self {
            Self::CpuWeight | Self::CpuMax => Controller::Cpu,
            Self::MemoryMax
            | Self::MemoryHigh
            | Self::MemoryMin
            | Self::MemoryLow
            | Self::MemorySwapMax
            | Self::MemoryOomGroup => Controller::Memory,
            Self::PidsMax => Controller::Pids,
        }
    }
}

impl CgroupWrite {
    /// A manifest's limit, and not what goes with it.
    pub fn is_limit(self) -> bool {
        let is_limit = matches!(self.file, CgroupFile::CpuMax | CgroupFile::MemoryMax | CgroupFile::PidsMax);
        is_limit && self.value != CgroupValue::Max
    }
}

/// As the kernel reads it.
impl fmt::Display for CgroupWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.value, self.file) {
            (CgroupValue::Number(number), CgroupFile::CpuMax) => write!(f, "{number} {CPU_PERIOD}"),
            (CgroupValue::Number(number), _) => write!(f, "{number}"),
            (CgroupValue::Max, _) => f.write_str("max"),
        }
    }
}

/// Whether the pod's containers are to be in groups of their own. Profile `process` leaves them where podinit
/// is, unless resources are asked for.
pub fn wants_cgroups(pod: &Pod) -> bool {
    let asks = |resources: &Resources| !resources.is_empty();
    pod.profile == Profile::Pod
        || pod.kubelet.pod_pids_limit.is_some()
        || pod.kubelet.memory_throttling_factor.is_some()
        || asks(&pod.resources)
        || pod.iter().any(|(.., container)| asks(&container.resources))
}

/// Who has a limit that needs this controller, in words; empty where nobody has.
pub fn limited_by(pod: &Pod, controller: Controller) -> Vec<String> {
    let has_limit = match controller {
        Controller::Cpu | Controller::Memory => controller.limit(&pod.resources).is_some(),
        Controller::Pids => pod.kubelet.pod_pids_limit.is_some(),
    };
    let of_pod = has_limit.then(|| "the pod".to_owned());
    let limited = pod.iter().filter(|(.., container)| controller.limit(&container.resources).is_some());
    of_pod.into_iter().chain(limited.map(|(.., container)| format!("container {}", container.name))).collect()
}

/// A setting of a kubelet's that is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KubeletSetting {
    /// As it is written.
    pub name: &'static str,
    /// What it gives a pod, in words.
    pub what: &'static str,
}

/// Which settings of a kubelet's need this controller, beside limits.
pub fn kubelet_settings(pod: &Pod, controller: Controller) -> Vec<KubeletSetting> {
    let is_throttled = pod.kubelet.memory_throttling_factor.is_some();
    let is_reserved = pod.kubelet.memory_reservation_policy != MemoryReservationPolicy::None;
    let throttled =
        KubeletSetting { name: "memoryThrottlingFactor", what: "memory that grows slowly near its limit" };
    let reserved =
        KubeletSetting { name: "memoryReservationPolicy", what: "memory that is kept for who requested it" };
    match controller {
        Controller::Memory => {
            let all = [(is_throttled, throttled), (is_reserved, reserved)];
            all.into_iter().filter(|(is_written, _)| *is_written).map(|(_, setting)| setting).collect()
        }
        Controller::Cpu | Controller::Pids => Vec::new(),
    }
}

/// What the pod's own group is given.
pub fn pod_cgroup(pod: &Pod) -> Vec<CgroupWrite> {
    let requests = resources::effective(pod, |resources| resources.requests.cpu);
    let weight = pod_cpu_weight(requests.total.millis());
    let memory = resources::effective(pod, |resources| resources.requests.memory);
    let pids = pod.kubelet.pod_pids_limit;
    let always = [
        write(CgroupFile::CpuWeight, CgroupValue::Number(weight)),
        write(CgroupFile::CpuMax, cpu_max(pod_limit(pod, Controller::Cpu))),
        write(CgroupFile::MemoryMax, memory_max(pod_limit(pod, Controller::Memory))),
    ];
    let pids = pids.map(|limit| write(CgroupFile::PidsMax, CgroupValue::Number(limit)));
    always.into_iter().chain(reserved(pod, memory.total)).chain(pids).collect()
}

/// What of requested memory is kept from being reclaimed (rule 169).
fn reserved(pod: &Pod, request: Quantity) -> Option<CgroupWrite> {
    let is_reserved = match pod.kubelet.memory_reservation_policy {
        MemoryReservationPolicy::None => false,
        MemoryReservationPolicy::TieredReservation => !request.is_zero(),
    };
    let file = match resources::qos_class(pod) {
        QosClass::Guaranteed => CgroupFile::MemoryMin,
        QosClass::Burstable => CgroupFile::MemoryLow,
        QosClass::BestEffort => return None,
    };
    is_reserved.then(|| write(file, CgroupValue::Number(request.units())))
}

/// From where on a container that wants more memory is slowed down (rule 169): between its request and its
/// limit, or what the host has. The kernel rounds it down to pages.
fn throttled(
    pod: &Pod,
    request: Quantity,
    limit: Option<Quantity>,
    host_memory: Option<u64>,
) -> Option<CgroupWrite> {
    let factor = pod.kubelet.memory_throttling_factor?;
    let (request, most) = (request.units(), limit.map(Quantity::units).or(host_memory)?);
    let above = (most.saturating_sub(request) as f64 * factor).floor() as u64;
    let is_throttled = resources::qos_class(pod) != QosClass::Guaranteed && most > request;
    is_throttled.then(|| write(CgroupFile::MemoryHigh, CgroupValue::Number(request + above)))
}

/// What a container's group is given. Where it has no limit and the pod has one, that is its own: programs
/// that look for their limit find it (KEP-2837). It has no swap (rule 171), and is killed as a whole where
/// memory is short (rule 168), but where one process alone is to be. `host_memory` are bytes.
pub fn container_cgroup(pod: &Pod, container: &Container, host_memory: Option<u64>) -> Vec<CgroupWrite> {
    let limit = |controller: Controller| {
        controller.limit(&container.resources).or_else(|| controller.limit(&pod.resources))
    };
    let weight = resources::cpu_weight(container.resources.requests.cpu.unwrap_or_default().millis());
    let request = container.resources.requests.memory.unwrap_or_default();
    let as_a_whole = u64::from(!pod.kubelet.single_process_oom_kill);
    let always = [
        write(CgroupFile::CpuWeight, CgroupValue::Number(weight)),
        write(CgroupFile::CpuMax, cpu_max(limit(Controller::Cpu))),
        write(CgroupFile::MemorySwapMax, CgroupValue::Number(0)),
        write(CgroupFile::MemoryMax, memory_max(limit(Controller::Memory))),
        write(CgroupFile::MemoryOomGroup, CgroupValue::Number(as_a_whole)),
    ];
    let throttled = throttled(pod, request, limit(Controller::Memory), host_memory);
    always.into_iter().chain(reserved(pod, request)).chain(throttled).collect()
}

/// What changes, in order, when one container's resources have (rule 175): memory before cpu; what grows
/// grows in the pod first, what shrinks shrinks in the container first.
pub fn resized(
    before: &Pod,
    after: &Pod,
    id: ContainerId,
    host_memory: Option<u64>,
) -> Vec<(GroupOf, CgroupWrite)> {
    let of_container = |pod: &Pod| {
        let container = pod.container(id);
        container.map_or_else(Vec::new, |container| container_cgroup(pod, container, host_memory))
    };
    let of_pod = changed(&pod_cgroup(before), pod_cgroup(after));
    let of_container = changed(&of_container(before), of_container(after));
    let mut all = Vec::new();
    for controller in [Controller::Pids, Controller::Memory, Controller::Cpu] {
        let of = |changes: &[Change]| -> Vec<Change> {
            changes.iter().filter(|change| change.write.file.controller() == controller).copied().collect()
        };
        let (of_pod, of_container) = (of(&of_pod), of(&of_container));
        // A limit grows before the request, and shrinks after it.
        let limits_first = |grows: bool| of_pod.iter().filter(move |change| change.grows == grows);
        let mut growing: Vec<_> = limits_first(true).collect();
        growing.sort_by_key(|change| change.write.file == CgroupFile::CpuWeight);
        let mut shrinking: Vec<_> = limits_first(false).collect();
        shrinking.sort_by_key(|change| change.write.file != CgroupFile::CpuWeight);
        all.extend(growing.into_iter().map(|change| (GroupOf::Pod, change.write)));
        all.extend(of_container.iter().map(|change| (GroupOf::Container, change.write)));
        all.extend(shrinking.into_iter().map(|change| (GroupOf::Pod, change.write)));
    }
    all
}

#[derive(Clone, Copy)]
struct Change {
    write: CgroupWrite,
    grows: bool,
}

fn changed(before: &[CgroupWrite], after: Vec<CgroupWrite>) -> Vec<Change> {
    let old = |file| before.iter().find(|write| write.file == file).map(|write| write.value);
    let change = |write: CgroupWrite| Change { write, grows: Some(write.value) > old(write.file) };
    after.into_iter().filter(|write| old(write.file) != Some(write.value)).map(change).collect()
}

/// The pod's own limit, or the sum of the containers' where every container has one (rules 167, 168).
fn pod_limit(pod: &Pod, controller: Controller) -> Option<Quantity> {
    let all_have_one = || pod.iter().all(|(.., container)| controller.limit(&container.resources).is_some());
    let Effective { total, .. } = resources::effective(pod, |resources| controller.limit(resources));
    (controller.limit(&pod.resources).is_some() || all_have_one()).then_some(total)
}

fn write(file: CgroupFile, value: CgroupValue) -> CgroupWrite {
    CgroupWrite { file, value }
}

fn cpu_max(limit: Option<Quantity>) -> CgroupValue {
    limit.map_or(CgroupValue::Max, |limit| CgroupValue::Number(resources::cpu_quota(limit)))
}

fn memory_max(limit: Option<Quantity>) -> CgroupValue {
    limit.map_or(CgroupValue::Max, |limit| CgroupValue::Number(limit.units()))
}

/// As kubelet makes its own groups' weights of shares, evenly (rule 166).
fn pod_cpu_weight(millis: u64) -> u64 {
    1 + (resources::cpu_shares(millis) - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Amounts, KubeletConfiguration, RestartPolicy};

    fn amounts(cpu: &str, memory: &str) -> Amounts {
        let amount = |text: &str| (!text.is_empty()).then(|| Quantity::parse(text).unwrap());
        Amounts { cpu: amount(cpu), memory: amount(memory) }
    }

    fn container(name: &str, requests: Amounts, limits: Amounts) -> Container {
        let requests =
            Amounts { cpu: requests.cpu.or(limits.cpu), memory: requests.memory.or(limits.memory) };
        Container { resources: Resources { requests, limits }, ..Container::named(name) }
    }

    fn pod(containers: Vec<Container>) -> Pod {
        Pod { containers, ..Pod::named("a") }
    }

    fn shown(writes: &[CgroupWrite]) -> Vec<String> {
        writes.iter().map(|write| format!("{} {write}", write.file.name())).collect()
    }

    fn nothing() -> Amounts {
        Amounts::default()
    }

    #[test]
    fn rules_166_to_168_and_171_a_container_with_limits() {
        let pod = pod(vec![container("c", amounts("500m", ""), amounts("1500m", "64Mi"))]);
        assert_eq!(
            shown(&container_cgroup(&pod, &pod.containers[0], None)),
            [
                "cpu.weight 59",
                "cpu.max 150000 100000",
                "memory.swap.max 0",
                "memory.max 67108864",
                "memory.oom.group 1"
            ]
        );
        assert_eq!(
            shown(&pod_cgroup(&pod)),
            ["cpu.weight 20", "cpu.max 150000 100000", "memory.max 67108864"]
        );
    }

    #[test]
    fn rules_167_and_168_the_pod_has_a_limit_where_every_container_has_one() {
        let limited = container("c", nothing(), amounts("1", "1Gi"));
        let all = pod(vec![limited.clone(), container("d", nothing(), amounts("500m", "1Gi"))]);
        assert_eq!(shown(&pod_cgroup(&all))[1..], ["cpu.max 150000 100000", "memory.max 2147483648"]);
        let some = pod(vec![limited.clone(), container("d", nothing(), amounts("", "1Gi"))]);
        assert_eq!(shown(&pod_cgroup(&some))[1..], ["cpu.max max", "memory.max 2147483648"]);
        // An init container without any counts too.
        let init = Pod { init_containers: vec![Container::named("i")], ..pod(vec![limited]) };
        assert_eq!(shown(&pod_cgroup(&init))[1..], ["cpu.max max", "memory.max max"]);
    }

    #[test]
    fn rule_164_the_pods_own_resources_replace_the_sum_and_are_the_limit_of_whoever_has_none() {
        let own = Resources { requests: amounts("2", ""), limits: amounts("", "1Gi") };
        let containers = vec![Container::named("c"), container("d", nothing(), amounts("", "16Mi"))];
        let pod = Pod { resources: own, ..pod(containers) };
        assert_eq!(shown(&pod_cgroup(&pod)), ["cpu.weight 79", "cpu.max max", "memory.max 1073741824"]);
        let of = |index: usize| shown(&container_cgroup(&pod, &pod.containers[index], None))[3].clone();
        assert_eq!([of(0), of(1)], ["memory.max 1073741824", "memory.max 16777216"]);
    }

    #[test]
    fn a_pod_that_asks_for_nothing_has_no_groups_in_profile_process() {
        let idle = Pod { profile: Profile::Process, ..pod(vec![Container::named("c")]) };
        assert!(!wants_cgroups(&idle));
        assert!(wants_cgroups(&Pod { profile: Profile::Pod, ..idle.clone() }));
        let asks = container("c", amounts("100m", ""), nothing());
        assert!(wants_cgroups(&Pod { containers: vec![asks], ..idle }));
    }

    #[test]
    fn who_is_limited_is_told_by_name() {
        let containers = vec![container("c", nothing(), amounts("1", "")), Container::named("d")];
        let own = Resources { requests: nothing(), limits: amounts("", "1Gi") };
        let pod = Pod { resources: own, ..pod(containers) };
        assert_eq!(limited_by(&pod, Controller::Cpu), ["container c"]);
        assert_eq!(limited_by(&pod, Controller::Memory), ["the pod"]);
    }

    /// Writes of a resize as `group file value`.
    fn resize(before: [(&str, &str); 2], after: [(&str, &str); 2]) -> Vec<String> {
        let of = |[request, limit]: [(&str, &str); 2]| {
            let sidecar = Container {
                restart_policy: Some(RestartPolicy::Always),
                ..container("s", nothing(), amounts("1", "1Gi"))
            };
            let main = container("c", amounts(request.0, request.1), amounts(limit.0, limit.1));
            Pod { init_containers: vec![sidecar], ..pod(vec![main]) }
        };
        let id = ContainerId::at(1);
        let writes = resized(&of(before), &of(after), id, None);
        writes.iter().map(|(of, write)| format!("{of:?} {} {write}", write.file.name())).collect()
    }

    #[test]
    fn rule_175_what_grows_grows_in_the_pod_first() {
        assert_eq!(
            resize([("500m", "64Mi"), ("1", "128Mi")], [("1", "64Mi"), ("2", "256Mi")]),
            [
                "Pod memory.max 1342177280",
                "Container memory.max 268435456",
                "Pod cpu.max 300000 100000",
                "Pod cpu.weight 79",
                "Container cpu.weight 100",
                "Container cpu.max 200000 100000",
            ]
        );
    }

    #[test]
    fn rule_175_what_shrinks_shrinks_in_the_container_first() {
        assert_eq!(
            resize([("1", "64Mi"), ("2", "256Mi")], [("500m", "64Mi"), ("1", "128Mi")]),
            [
                "Container memory.max 134217728",
                "Pod memory.max 1207959552",
                "Container cpu.weight 59",
                "Container cpu.max 100000 100000",
                "Pod cpu.weight 59",
                "Pod cpu.max 200000 100000",
            ]
        );
        assert!(resize([("1", ""), ("2", "")], [("1", ""), ("2", "")]).is_empty());
    }

    fn with_kubelet(pod: Pod, change: fn(&mut KubeletConfiguration)) -> Pod {
        let mut pod = pod;
        change(&mut pod.kubelet);
        pod
    }

    /// The values of these files, of the pod's first container and of the pod.
    fn memory_files(pod: &Pod, host_memory: Option<u64>) -> Vec<String> {
        let of_container = container_cgroup(pod, &pod.containers[0], host_memory);
        let all = shown(&of_container)
            .into_iter()
            .chain(shown(&pod_cgroup(pod)).into_iter().map(|it| format!("pod {it}")));
        all.filter(|file| ["memory.high", "memory.min", "memory.low"].iter().any(|name| file.contains(name)))
            .collect()
    }

    /// RES-02: one process alone is killed where that is asked for; RES-04: processes are limited in the pod.
    #[test]
    fn rules_168_and_172_what_a_kubelet_is_configured_with_can_be_said_of_a_pod() {
        let plain = pod(vec![container("c", nothing(), nothing())]);
        let of = |pod: &Pod| {
            let both = [container_cgroup(pod, &pod.containers[0], None), pod_cgroup(pod)].concat();
            let said = shown(&both).into_iter();
            said.filter(|file| file.contains("oom.group") || file.contains("pids")).collect::<Vec<_>>()
        };
        assert_eq!(of(&plain), ["memory.oom.group 1"]);
        assert_eq!(Controller::wanted_by(&plain).collect::<Vec<_>>(), [Controller::Cpu, Controller::Memory]);
        let single = with_kubelet(plain.clone(), |it| it.single_process_oom_kill = true);
        assert_eq!(of(&single), ["memory.oom.group 0"]);
        let limited = with_kubelet(plain, |it| it.pod_pids_limit = Some(1024));
        assert_eq!(of(&limited), ["memory.oom.group 1", "pids.max 1024"]);
        assert_eq!(Controller::wanted_by(&limited).count(), 3);
        assert_eq!(limited_by(&limited, Controller::Pids), ["the pod"]);
        assert!(wants_cgroups(&Pod { profile: Profile::Process, ..limited }));
    }

    #[test]
    fn settings_that_are_no_limits_are_told_by_name() {
        let idle = pod(vec![Container::named("c")]);
        let names = |pod: &Pod, controller| -> Vec<&str> {
            kubelet_settings(pod, controller).iter().map(|setting| setting.name).collect()
        };
        assert!(names(&idle, Controller::Memory).is_empty());
        let both = with_kubelet(idle, |it| {
            it.memory_throttling_factor = Some(0.9);
            it.memory_reservation_policy = MemoryReservationPolicy::TieredReservation;
        });
        assert_eq!(names(&both, Controller::Memory), ["memoryThrottlingFactor", "memoryReservationPolicy"]);
        assert!(names(&both, Controller::Cpu).is_empty());
        assert!(limited_by(&both, Controller::Memory).is_empty());
        // The container's memory is throttled whatever it asks for, and so it has a group.
        assert!(wants_cgroups(&Pod { profile: Profile::Process, ..both }));
    }

    #[test]
    fn rule_169_memory_is_throttled_between_request_and_limit() {
        let burstable = |request, limit| pod(vec![container("c", amounts("", request), amounts("", limit))]);
        let high = |pod: Pod, factor, host_memory| {
            let mut pod = pod;
            pod.kubelet.memory_throttling_factor = factor;
            memory_files(&pod, host_memory)
        };
        assert!(high(burstable("64Mi", "128Mi"), None, Some(1 << 30)).is_empty());
        // 64Mi + 0.9 * 64Mi, which the kernel rounds down to pages.
        assert_eq!(high(burstable("64Mi", "128Mi"), Some(0.9), None), ["memory.high 127506841"]);
        assert_eq!(high(burstable("64Mi", "128Mi"), Some(1.0), None), ["memory.high 134217728"]);
        // Without a limit it is the host's memory; without that nothing can be said.
        assert_eq!(high(burstable("64Mi", ""), Some(0.5), Some(128 << 20)), ["memory.high 100663296"]);
        assert!(high(burstable("64Mi", ""), Some(0.5), None).is_empty());
        let guaranteed = pod(vec![container("c", nothing(), amounts("1", "128Mi"))]);
        assert!(high(guaranteed, Some(0.9), None).is_empty());
    }

    #[test]
    fn rule_169_requested_memory_is_kept_by_class() {
        let tiered = |containers| {
            let with = |it: &mut KubeletConfiguration| {
                it.memory_reservation_policy = MemoryReservationPolicy::TieredReservation;
            };
            memory_files(&with_kubelet(pod(containers), with), None)
        };
        let guaranteed = vec![container("c", nothing(), amounts("1", "64Mi"))];
        assert_eq!(tiered(guaranteed.clone()), ["memory.min 67108864", "pod memory.min 67108864"]);
        let two = vec![
            container("c", amounts("", "16Mi"), nothing()),
            container("d", amounts("", "48Mi"), amounts("", "48Mi")),
        ];
        assert_eq!(tiered(two), ["memory.low 16777216", "pod memory.low 67108864"]);
        // Memory alone is not enough to be Guaranteed.
        let cpu_differs = vec![container("c", amounts("500m", ""), amounts("1", "64Mi"))];
        assert_eq!(tiered(cpu_differs), ["memory.low 67108864", "pod memory.low 67108864"]);
        assert!(tiered(vec![Container::named("c")]).is_empty());
        assert!(memory_files(&pod(guaranteed), None).is_empty());
    }
}
