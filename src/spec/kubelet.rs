//! What the configuration of a kubelet says of the control groups of every pod on its node: here it is a pod's
//! to say, under the same names. Knows no kernel.

use super::decode::{Fields, Item};
use super::settings::{boolean, decimal, is_annotation};

/// What a kubelet's configuration says (KubeletConfiguration, `kubelet.config.k8s.io/v1beta1`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KubeletConfiguration {
    /// Where memory is short one process is killed, and not its container as a whole (rule 168).
    pub single_process_oom_kill: bool,
    /// So many processes and threads the pod's containers may have at once (rule 172).
    pub pod_pids_limit: Option<u64>,
    /// Above 0 and at most 1: so far from request to limit a container's memory may grow before it is
    /// slowed down (rule 169). `None`: as far as the limit.
    pub memory_throttling_factor: Option<f64>,
    /// Requested memory is kept from being reclaimed (rule 169).
    pub memory_reservation_policy: MemoryReservationPolicy,
}

/// Whether requests of memory are kept for who made them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryReservationPolicy {
    /// They are not.
    #[default]
    None,
    /// Always of Guaranteed pods, as long as there is other memory of Burstable ones.
    TieredReservation,
}

const SINGLE_PROCESS_OOM_KILL: &str = "singleProcessOOMKill";
const POD_PIDS_LIMIT: &str = "podPidsLimit";
const MEMORY_THROTTLING_FACTOR: &str = "memoryThrottlingFactor";
const MEMORY_RESERVATION_POLICY: &str = "memoryReservationPolicy";

/// Every setting; in TOML these are plain keys.
pub(super) const NAMES: [&str; 4] =
    [SINGLE_PROCESS_OOM_KILL, POD_PIDS_LIMIT, MEMORY_THROTTLING_FACTOR, MEMORY_RESERVATION_POLICY];

/// As many processes as a kernel can have (pid_max, proc_sys_kernel(5)).
pub(super) const MOST_PIDS: i64 = 1 << 22;

/// The settings, as written.
#[derive(Default)]
pub(super) struct KubeletSettings<'a>([Option<Item<'a>>; NAMES.len()]);

impl<'a> KubeletSettings<'a> {
    /// Takes the keys of a TOML file.
    pub fn take_keys(fields: &mut Fields<'a>) -> Self {
        Self(NAMES.map(|name| fields.take(name)))
    }

    /// Where an annotation of this name is kept, if it is one of these.
    pub fn slot(&mut self, name: &str) -> Option<&mut Option<Item<'a>>> {
        self.0.iter_mut().zip(NAMES).find(|(_, known)| *known == name).map(|(slot, _)| slot)
    }

    /// Every setting that is there.
    pub fn items(&self) -> impl Iterator<Item = &Item<'a>> {
        self.0.iter().flatten()
    }

    /// What they say.
    pub fn read(&self) -> KubeletConfiguration {
        let [single, pids, factor, policy] = &self.0;
        let policies = [
            ("None", MemoryReservationPolicy::None),
            ("TieredReservation", MemoryReservationPolicy::TieredReservation),
        ];
        let policy =
            policy.as_ref().and_then(|item| item.choice(&policies, "one of None, TieredReservation"));
        KubeletConfiguration {
            single_process_oom_kill: single.as_ref().and_then(boolean).unwrap_or(false),
            pod_pids_limit: pids.as_ref().and_then(pids_limit),
            memory_throttling_factor: factor.as_ref().and_then(throttling_factor),
            memory_reservation_policy: policy.unwrap_or_default(),
        }
    }
}

/// A whole number, or its digits in an annotation.
fn pids_limit(item: &Item<'_>) -> Option<u64> {
    if !is_annotation(item) {
        return item.integer(1, MOST_PIDS).map(i64::unsigned_abs);
    }
    let text = item.string()?;
    let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let number =
        text.parse().ok().filter(|number| is_number && (1..=MOST_PIDS.unsigned_abs()).contains(number));
    if number.is_none() {
        let help = "write how many processes and threads the pod may have, such as \"1024\", or remove it";
        item.refuse(format!("a number from 1 to {MOST_PIDS} is wanted"), help);
    }
    number
}

fn throttling_factor(item: &Item<'_>) -> Option<f64> {
    let help = "write a number above 0 and at most 1, such as 0.9, or remove it";
    let factor = decimal(item, "a number is wanted", help)?;
    // Also false for NaN.
    if factor > 0.0 && factor <= 1.0 {
        return Some(factor);
    }
    item.refuse("not above 0 and at most 1", help);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Options, Source, Syntax, load};

    fn read(name: &str, text: &str) -> Result<KubeletConfiguration, String> {
        let syntax = Syntax::guess(Some(name), text);
        let source = Source { name: name.to_owned(), text: text.to_owned(), syntax };
        let loaded = load(&[source], &Options::default());
        loaded.pod.map(|pod| pod.kubelet).ok_or_else(|| format!("{:?}", loaded.problems))
    }

    fn of_toml(keys: &str) -> Result<KubeletConfiguration, String> {
        read("a.toml", &format!("{keys}\n[[containers]]\nname = \"a\"\ncommand = [\"x\"]\n"))
    }

    fn of_yaml(annotations: &str) -> Result<KubeletConfiguration, String> {
        let spec = "spec: {containers: [{name: a, command: [x]}]}";
        read(
            "a.yaml",
            &format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: a, annotations: {{{annotations}}}}}, {spec}}}"
            ),
        )
    }

    #[test]
    fn both_syntaxes_say_the_same() {
        let all = KubeletConfiguration {
            single_process_oom_kill: true,
            pod_pids_limit: Some(1024),
            memory_throttling_factor: Some(0.9),
            memory_reservation_policy: MemoryReservationPolicy::TieredReservation,
        };
        let toml = "singleProcessOOMKill = true\npodPidsLimit = 1024\nmemoryThrottlingFactor = 0.9\nmemoryReservationPolicy = \"TieredReservation\"";
        assert_eq!(of_toml(toml), Ok(all));
        let yaml = "podinit.dev/singleProcessOOMKill: 'true', podinit.dev/podPidsLimit: '1024', podinit.dev/memoryThrottlingFactor: '0.9', podinit.dev/memoryReservationPolicy: TieredReservation";
        assert_eq!(of_yaml(yaml), Ok(all));
        assert_eq!(of_toml(""), Ok(KubeletConfiguration::default()));
    }

    #[test]
    fn what_a_kubelet_would_not_take_is_refused() {
        for keys in [
            "podPidsLimit = 0",
            "podPidsLimit = 4194305",
            "podPidsLimit = -1",
            "memoryThrottlingFactor = 0",
            "memoryThrottlingFactor = 1.01",
            "memoryThrottlingFactor = nan",
            "memoryReservationPolicy = \"Tiered\"",
            "singleProcessOOMKill = \"yes\"",
        ] {
            assert!(of_toml(keys).is_err(), "{keys}");
        }
        for annotation in ["podPidsLimit: '+5'", "podPidsLimit: ''", "memoryThrottlingFactor: '1e-1'"] {
            assert!(of_yaml(&format!("podinit.dev/{annotation}")).is_err(), "{annotation}");
        }
    }
}
