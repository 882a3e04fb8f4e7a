//! What requests and limits come to: the pod's effective amounts, its QoS class, and the values that the
//! kernel is given for them (rules 164 to 170). Pure: the host's memory is handed in.

use crate::spec::{Amounts, Container, ContainerId, ContainerKind, Pod, Quantity, Resources};

/// How a pod's amount of one resource comes about (rule 164).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    /// What counts: the pod's own amount, or the largest of the others.
    pub total: Quantity,
    /// All main containers together.
    pub mains: Quantity,
    /// All sidecars together, which run beside the main containers.
    pub sidecars: Quantity,
    /// The most that is needed at once while the init containers run.
    pub initializing: Quantity,
    /// The pod says the amount itself.
    pub is_of_pod: bool,
}

/// Quality of service: who goes first when memory is short (rule 165).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QosClass {
    /// Every container has limits of both kinds, equal to its requests.
    Guaranteed,
    /// Something is asked for or limited.
    Burstable,
    /// Nothing is.
    BestEffort,
}

/// The period that `cpu.max` counts in, in microseconds.
pub const CPU_PERIOD: u64 = 100_000;

/// The pod's effective amount of one resource. `of` takes it out of a container's resources.
pub fn effective(pod: &Pod, of: impl Fn(&Resources) -> Option<Quantity>) -> Effective {
    let amount = |container: &Container| of(&container.resources).unwrap_or_default();
    let mut effective = Effective::default();
    for (_, kind, container) in pod.iter() {
        match kind {
            ContainerKind::Sidecar => {
                effective.sidecars = effective.sidecars + amount(container);
                effective.initializing = effective.initializing.max(effective.sidecars);
            }
            ContainerKind::Init => {
                effective.initializing = effective.initializing.max(amount(container) + effective.sidecars);
            }
            ContainerKind::Main => effective.mains = effective.mains + amount(container),
            ContainerKind::Ephemeral => {}
        }
    }
    let own = of(&pod.resources);
    effective.is_of_pod = own.is_some();
    let largest = (effective.mains + effective.sidecars).max(effective.initializing);
    effective.total = own.unwrap_or(largest);
    effective
}

/// The pod's class.
pub fn qos_class(pod: &Pod) -> QosClass {
    let all: Vec<&Resources> = if pod.resources.is_empty() {
        pod.iter().map(|(_, _, container)| &container.resources).collect()
    } else {
        vec![&pod.resources]
    };
    let some = |amount: Option<Quantity>| amount.filter(|amount| !amount.is_zero());
    let pairs = |amounts: &Amounts| [some(amounts.cpu), some(amounts.memory)];
    let has_any = |resources: &&Resources| {
        [pairs(&resources.requests), pairs(&resources.limits)].iter().flatten().any(Option::is_some)
    };
    let is_guaranteed = |resources: &&Resources| {
        let limits = pairs(&resources.limits);
        limits.iter().all(Option::is_some) && limits == pairs(&resources.requests)
    };
    if !all.iter().any(has_any) {
        QosClass::BestEffort
    } else if all.iter().all(is_guaranteed) {
        QosClass::Guaranteed
    } else {
        QosClass::Burstable
    }
}

impl QosClass {
    /// Kubernetes' word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// The container's `oom_score_adj` on a host with so many bytes of memory (rule 170), which is asked only where it
/// counts.
pub fn oom_score_adj(pod: &Pod, id: ContainerId, host_memory: impl Fn() -> u64) -> i64 {
    let own = |container: &Container, host_memory: u64| {
        let request = container.resources.requests.memory.unwrap_or_default().units();
        let share = u128::from(request) * 1000 / u128::from(host_memory.max(1));
        let score = 1000 - i64::try_from(share).unwrap_or(1000);
        score.clamp(3, 999)
    };
    match (qos_class(pod), pod.container(id)) {
        (QosClass::Guaranteed, _) => -997,
        (QosClass::BestEffort, _) | (_, None) => 1000,
        (QosClass::Burstable, Some(container)) => {
            let is_sidecar = pod.iter().any(|(other, kind, _)| other == id && kind == ContainerKind::Sidecar);
            let host_memory = host_memory();
            let own = |container| own(container, host_memory);
            let of_mains = pod.containers.iter().map(own).max().filter(|_| is_sidecar);
            of_mains.map_or(own(container), |most| own(container).min(most))
        }
    }
}

/// `cpu.max` of a limit: microseconds of each period (rule 167).
pub(super) fn cpu_quota(limit: Quantity) -> u64 {
    limit.millis().saturating_mul(CPU_PERIOD / 1000).max(1000)
}

/// cgroup v1's measure of a request in milliCPU, of which weights are made (rule 166).
pub(super) fn cpu_shares(millis: u64) -> u64 {
    (u128::from(millis) * 1024 / 1000).clamp(2, 262_144) as u64
}

/// From milliCPU through shares to a weight, as runc and crun do it now (rule 166).
pub(super) fn cpu_weight(millis: u64) -> u64 {
    let l = (cpu_shares(millis) as f64).log2();
    let weight = 10f64.powf((l * l + 125.0 * l) / 612.0 - 7.0 / 34.0);
    // A hair above a whole number is that number: 1024 shares are 100.
    (weight - 1e-9).ceil().clamp(1.0, 10_000.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Options, Profile, Source, Syntax, load};

    /// A pod of these entries of initContainers and containers, `requests cpu` and more as written.
    fn pod(init: &str, main: &str, own: &str) -> Pod {
        let text = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{{own} initContainers: [{init}], containers: [{main}]}}}}"
        );
        let source = Source { name: "a.yaml".to_owned(), text, syntax: Syntax::Yaml };
        let options = Options { profile: Some(Profile::Process), ..Options::default() };
        load(&[source], &options).pod.unwrap()
    }

    fn entry(name: &str, rest: &str) -> String {
        format!("{{name: {name}, command: [x], {rest}}}")
    }

    fn cpu(amount: &str) -> String {
        format!("resources: {{requests: {{cpu: {amount}}}}}")
    }

    fn cpu_requests(pod: &Pod) -> Effective {
        effective(pod, |resources| resources.requests.cpu)
    }

    #[test]
    fn rule_164_sidecars_count_beside_what_runs_after_them() {
        let sidecar = |amount| format!("restartPolicy: Always, {}", cpu(amount));
        let init = [
            entry("a", &cpu("3")),
            entry("s", &sidecar("500m")),
            entry("b", &cpu("2800m")),
            entry("t", &sidecar("1")),
        ];
        let found = cpu_requests(&pod(&init.join(","), &entry("m", &cpu("1500m")), ""));
        assert_eq!(found.sidecars.to_string(), "1500m");
        assert_eq!(found.initializing.to_string(), "3300m");
        assert_eq!(found.total.to_string(), "3300m");
        let larger = cpu_requests(&pod(&init.join(","), &entry("m", &cpu("2")), ""));
        assert_eq!(larger.total.to_string(), "3500m");
        let own = pod(&init.join(","), &entry("m", &cpu("2")), "resources: {requests: {cpu: 9}},");
        assert_eq!(
            (cpu_requests(&own).total.to_string(), cpu_requests(&own).is_of_pod),
            ("9".to_owned(), true)
        );
    }

    #[test]
    fn rule_165_the_class_follows_from_all_containers() {
        let full = "resources: {limits: {cpu: 1, memory: 1Gi}}";
        let class = |init: &str, main: &str| qos_class(&pod(init, main, ""));
        assert_eq!(class("", &entry("m", "")), QosClass::BestEffort);
        assert_eq!(class("", &entry("m", "resources: {requests: {cpu: 0}}")), QosClass::BestEffort);
        assert_eq!(class("", &entry("m", full)), QosClass::Guaranteed);
        assert_eq!(class(&entry("i", ""), &entry("m", full)), QosClass::Burstable);
        assert_eq!(class(&entry("i", full), &entry("m", full)), QosClass::Guaranteed);
        let own = pod("", &entry("m", ""), "resources: {limits: {cpu: 1, memory: 1Gi}},");
        assert_eq!(qos_class(&own), QosClass::Guaranteed);
    }

    #[test]
    fn rules_166_and_167_weights_and_quotas_are_what_the_runtimes_write() {
        assert_eq!([0, 2, 1000, 256_000].map(cpu_weight), [1, 1, 100, 10_000]);
        assert_eq!([100, 250, 500].map(cpu_weight), [17, 35, 59]);
        let quota = |limit| cpu_quota(Quantity::parse(limit).unwrap());
        assert_eq!(["1500m", "1m", "2"].map(quota), [150_000, 1000, 200_000]);
    }

    #[test]
    fn rule_170_a_sidecar_is_not_killed_before_the_mains() {
        let memory = |amount: &str| format!("resources: {{requests: {{memory: {amount}}}}}");
        let sidecar = entry("s", &format!("restartPolicy: Always, {}", memory("1Gi")));
        let pod = pod(&sidecar, &[entry("m", &memory("8Gi")), entry("o", &memory("4Gi"))].join(","), "");
        let score = |position| oom_score_adj(&pod, ContainerId::at(position), || 16 << 30);
        assert_eq!([score(0), score(1), score(2)], [750, 500, 750]);
    }
}
