//! What this host allows, found out by trying: each try is made by a copy of podinit that ends with it, so that
//! nothing of it stays. What it means is `plan`'s to say.

mod trials;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{getegid, geteuid};

use super::sandbox::users::{is_privileged, own_groups, subordinate};
use super::sandbox::{labels, own_users};
use super::{cause, cgroup, network};
use crate::plan::{self, Around, Controller, Fact, Finding, HostFacts, Ids, Knob, Lack, Signs};
use crate::sys;
use trials::{Look, Way};

/// Where programs are that podinit starts for itself, but for pasta.
const PROGRAMS: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin"];

/// All that there is to be known.
pub(crate) fn all_facts() -> HostFacts {
    let mut facts = nothing_asked();
    facts.ask(&Fact::ALL.into());
    facts
}

/// What was asked for, each by itself.
pub(crate) fn tried_facts(asked: &BTreeSet<Fact>) -> HostFacts {
    let mut facts = nothing_asked();
    facts.ask(asked);
    facts
}

/// What was asked for, as far as it is not certain: root without a filter of system calls may make what he
/// likes, and learns from the real try what he may not.
pub(crate) fn facts(asked: &BTreeSet<Fact>) -> HostFacts {
    let mut facts = nothing_asked();
    // These are looked for and not tried: what nobody enforces fails nowhere.
    let modules = [Fact::AppArmor, Fact::DefaultAppArmor, Fact::SeLinux];
    let looked_for: BTreeSet<Fact> = modules.into_iter().filter(|fact| asked.contains(fact)).collect();
    if !looked_for.is_empty() {
        facts.ask(&looked_for);
    }
    let effective = sys::effective_capabilities().unwrap_or(0);
    let is_free = effective & RIGHTS == RIGHTS && !sys::is_filtered();
    if !is_free && !facts.holds_together(asked) {
        facts.ask(asked);
    }
    facts
}

/// CAP_SETGID, CAP_SETUID, CAP_SETPCAP and CAP_SYS_ADMIN.
const RIGHTS: u64 = 1 << 6 | 1 << 7 | 1 << 8 | 1 << 21;

fn nothing_asked() -> HostFacts {
    let is_privileged = is_privileged();
    HostFacts {
        found: BTreeMap::new(),
        is_privileged,
        own: (geteuid().as_raw(), getegid().as_raw()),
        own_groups: own_groups(),
        ids: if is_privileged { Ids::Host } else { Ids::Single },
        capabilities: sys::permitted_capabilities().unwrap_or(0),
        landlock: None,
    }
}

impl HostFacts {
    /// One try for everything that surrounds a pod. Where it succeeds only ids are left to be asked for: in a
    /// user namespace of its own podinit has every right.
    fn holds_together(&mut self, asked: &BTreeSet<Fact>) -> bool {
        let of_pod = || asked.iter().filter_map(|fact| Some((*fact, trials::in_pod(*fact)?)));
        let trials: Vec<_> = of_pod().map(|(_, trial)| trial).collect();
        if self.is_privileged || trials.is_empty() || trials::together(&trials, false).is_err() {
            return false;
        }
        self.found.extend(of_pod().map(|(fact, _)| (fact, Ok(String::new()))));
        self.ask(&asked.iter().copied().filter(|fact| *fact == Fact::Ids).collect());
        true
    }

    fn ask(&mut self, asked: &BTreeSet<Fact>) {
        let signs = signs();
        for fact in asked {
            let found = self.find(*fact, &signs);
            self.found.insert(*fact, found);
        }
    }

    fn find(&mut self, fact: Fact, signs: &Signs) -> Finding {
        let refused =
            |errno: Errno| Lack { cause: cause(errno), remedy: plan::remedy(fact, errno as i32, signs) };
        let missing = |why: &str| Lack { cause: why.to_owned(), remedy: plan::remedy(fact, 0, signs) };
        if fact == Fact::UserNamespace && self.is_privileged {
            return Ok("not needed by root".to_owned());
        }
        let tried = |made: Result<(), Errno>| made.map(|()| String::new()).map_err(refused);
        let look = match trials::way(fact) {
            Way::InPod(trial) => return tried(trials::together(&[trial], self.is_privileged)),
            Way::AsWeAre(act) => return tried(trials::as_we_are(act)),
            Way::Look(look) => look,
        };
        let here = |is_here: bool| is_here.then(String::new).ok_or_else(|| missing("this kernel has none"));
        match look {
            Look::Ids => self.find_ids(&missing),
            // Without that there is no pod of his.
            Look::OwnUsers if !self.is_privileged => self.find(Fact::UserNamespace, signs),
            Look::OwnUsers => own_users::try_out().map(|()| String::new()).map_err(|why| match why {
                Some(errno) => refused(errno),
                None => missing("no range of ids is free"),
            }),
            Look::Landlock => {
                let version = sys::landlock_version();
                self.landlock = version.ok();
                version.map(|abi| format!("ABI {abi}")).map_err(refused)
            }
            Look::AppArmor => here(has_app_armor()),
            Look::DefaultAppArmor if !has_app_armor() => self.find(Fact::AppArmor, signs),
            Look::DefaultAppArmor => labels::find_default(missing),
            Look::SeLinux => here(Path::new("/sys/fs/selinux/enforce").exists()),
            Look::Pasta => {
                let path = network::program().ok_or_else(|| missing("it is not installed"))?;
                network::try_device().map_err(|error| Lack {
                    cause: format!("{}: {}", network::DEVICE, cause(error)),
                    remedy: network::remedy(network::DEVICE).to_owned(),
                })?;
                Ok(path.display().to_string())
            }
            Look::Cgroups(controller) => of_cgroups(controller),
        }
    }

    fn find_ids(&mut self, missing: &dyn Fn(&str) -> Lack) -> Finding {
        if self.is_privileged {
            return Ok("all of this host's".to_owned());
        }
        match trials::ids() {
            Ok(Some(count)) => {
                self.ids = Ids::Below(count);
                Ok(format!("0 to {}", count - 1))
            }
            Ok(None) => {
                let user = self.own.0;
                let has_range = |file| subordinate(user, file).is_some();
                let why = match ["/etc/subuid", "/etc/subgid"].into_iter().find(|file| !has_range(file)) {
                    Some("/etc/subuid") => "he has no range in /etc/subuid",
                    Some(_) => "he has no range in /etc/subgid",
                    None if program("newuidmap").is_none() => "newuidmap is not installed",
                    None => "newuidmap does not work here",
                };
                Err(missing(&format!("there is only 0, who is this user: {why}")))
            }
            Err(_) => Err(missing("none: there is no user namespace")),
        }
    }
}

fn of_cgroups(controller: Option<Controller>) -> Finding {
    match cgroup::lack(controller) {
        None => Ok(String::new()),
        Some((cause, remedy)) => Err(Lack { cause, remedy }),
    }
}

/// What there is to be seen of why something is refused.
pub(super) fn signs() -> Signs {
    let is = |path: &str, value: &str| reads(path).is_some_and(|text| text == value);
    let knobs = [
        ("/proc/sys/user/max_user_namespaces", "0", Knob::MaxUserNamespaces),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", Knob::UnprivilegedUserNamespaces),
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", Knob::AppArmorRestricts),
    ];
    let around = if Path::new("/.dockerenv").exists() {
        Around::Docker
    } else if Path::new("/run/.containerenv").exists() {
        Around::Podman
    } else if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        Around::Kubernetes
    } else {
        Around::Unknown
    };
    Signs {
        knob: knobs.into_iter().find(|(path, value, _)| is(path, value)).map(|(.., knob)| knob),
        is_filtered: sys::is_filtered(),
        no_new_privileges: nix::sys::prctl::get_no_new_privs().unwrap_or(false),
        around,
    }
}

fn has_app_armor() -> bool {
    reads("/sys/module/apparmor/parameters/enabled").is_some_and(|text| text == "Y")
}

fn reads(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Where a program is that podinit starts for itself.
pub(super) fn program(name: &str) -> Option<String> {
    let paths = PROGRAMS.into_iter().map(|directory| format!("{directory}/{name}"));
    paths.into_iter().find(|path| Path::new(path).exists())
}
