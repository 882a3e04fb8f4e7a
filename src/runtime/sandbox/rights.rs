//! What a container's processes give away, as steps of a child. The order is the kernel's: what takes a
//! right to do comes before that right is gone (PRIV-02).

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::mounts::c_string;
use super::{ChildSteps, Enclosure, Words};
use crate::plan::{self, Credentials, Ids, Landlock, Writable};
use crate::runtime::{cause, environment};
use crate::spec::SecurityProfile;
use crate::sys::{ChildOp, CredentialOp, FilterInstruction, LandlockRule};

/// The programs of one filter of system calls, in the order in which they are installed.
type Programs = Vec<Rc<[FilterInstruction]>>;

/// Filters of system calls that have been made for containers of the pod.
#[derive(Debug, Default)]
pub(super) struct Filters {
    /// Those of profile `RuntimeDefault`, by the capabilities that a container can have.
    usual: BTreeMap<u64, Programs>,
}

/// The steps for these credentials. `is_node` adds what a node sets for every container.
pub(super) fn enclosure(
    credentials: &Credentials,
    is_node: bool,
    ids: Ids,
    filters: &mut Filters,
) -> Result<Enclosure, String> {
    let mut users = Vec::new();
    let mut add = |op: CredentialOp, what: Words| users.push((ChildOp::Credential(op), what));
    if is_node {
        add(CredentialOp::NoCoreDumps, "forbid core dumps".into());
        add(CredentialOp::FileModeMask(0o022), "set the file mode mask".into());
    }
    if let Some(set) = credentials.capabilities {
        add(CredentialOp::BoundingSet(set), "drop capabilities for good".into());
    }
    if let Some(identity) = &credentials.identity {
        if ids.allows_groups() {
            add(CredentialOp::Groups(identity.groups.clone()), "set supplementary groups".into());
        }
        let (user, group) = (identity.user, identity.group);
        add(CredentialOp::User { user, group }, format!("become user {user} and group {group}").into());
    }
    Ok(Enclosure { users, rights: rights(credentials, filters)?, ..Enclosure::default() })
}

/// With no_new_privs a filter needs no right, and comes last; without, it needs CAP_SYS_ADMIN, and comes
/// before that is given away (seccomp(2)).
fn rights(credentials: &Credentials, filters: &mut Filters) -> Result<ChildSteps, String> {
    let step = |op: CredentialOp, what: &'static str| (ChildOp::Credential(op), what.into());
    let capabilities =
        credentials.held().map(|set| step(CredentialOp::Capabilities(set), "drop capabilities"));
    let programs = filters.of(credentials)?.into_iter();
    let filters =
        programs.map(|program| step(CredentialOp::Filter(program), "install a filter of system calls"));
    let landlock = credentials.landlock.as_ref().map(|it| step(ruleset(it), "forbid writing (Landlock)"));
    Ok(if credentials.no_new_privileges {
        let no_new_privileges = step(CredentialOp::NoNewPrivileges, "forbid new privileges");
        let before = capabilities.into_iter().chain([no_new_privileges]);
        before.chain(landlock).chain(filters).collect()
    } else {
        landlock.into_iter().chain(filters).chain(capabilities).collect()
    })
}

fn ruleset(landlock: &Landlock) -> CredentialOp {
    let forbidden = landlock.forbidden();
    let rule = |writable: &Writable| LandlockRule {
        path: c_string(writable.path()),
        allowed: writable.allowed(forbidden),
    };
    CredentialOp::Landlock { forbidden, rules: landlock.writable.iter().map(rule).collect() }
}

impl Filters {
    /// The filter of the profile. One from a file is made anew for each attempt, as the file may be another.
    fn of(&mut self, credentials: &Credentials) -> Result<Programs, String> {
        let Some(profile) = &credentials.seccomp else { return Ok(Programs::new()) };
        let capabilities = credentials.capabilities.unwrap_or(0);
        let failed = |why| format!("cannot make its filter of system calls: {why}");
        match profile {
            SecurityProfile::Unconfined => Ok(Programs::new()),
            SecurityProfile::Localhost(path) => {
                localhost(path, capabilities).map(|filter| programs(&filter)).map_err(failed)
            }
            SecurityProfile::RuntimeDefault => {
                if let Some(made) = self.usual.get(&capabilities) {
                    return Ok(made.clone());
                }
                let made = programs(&plan::runtime_default(capabilities).map_err(failed)?);
                self.usual.insert(capabilities, made.clone());
                Ok(made)
            }
        }
    }
}

fn programs(filter: &plan::Filter) -> Programs {
    let instruction = |it: &plan::Instruction| FilterInstruction {
        code: it.code,
        if_true: it.jump_true,
        if_false: it.jump_false,
        operand: it.operand,
    };
    filter.programs().iter().map(|program| program.iter().map(instruction).collect()).collect()
}

/// Where profiles of one's own are: kubelet's directory.
const PROFILES: &str = "/var/lib/kubelet/seccomp";
/// Bytes that a profile may have.
const MOST_PROFILE: u64 = 4 << 20;

fn localhost(path: &str, capabilities: u64) -> Result<plan::Filter, String> {
    let full = Path::new(PROFILES).join(path);
    let text = environment::read(&full, MOST_PROFILE);
    let text = text.map_err(|error| format!("cannot read profile {}: {}", full.display(), cause(error)))?;
    let (filter, warnings) = plan::localhost(&text, capabilities, kernel())?;
    for warning in warnings {
        log::warn!("profile {}: {warning}", full.display());
    }
    Ok(filter)
}

/// Version of the running kernel.
fn kernel() -> (u32, u32) {
    let release = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
    let release = release.unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
