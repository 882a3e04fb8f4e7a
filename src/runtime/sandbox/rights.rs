//! What a container's processes give away, as steps of a child. The order is the kernel's: what takes a
//! right to do comes before that right is gone (PRIV-02).

use super::Enclosure;
use super::users::Ids;
use crate::plan::Credentials;
use crate::spec::SecurityProfile;
use crate::sys::{ChildOp, CredentialOp};

/// The steps for these credentials. `is_node` adds what a node sets for every container.
pub(super) fn enclosure(credentials: &Credentials, is_node: bool, ids: Ids) -> Result<Enclosure, String> {
    let mut users = Vec::new();
    let mut add = |op: CredentialOp, what: &str| users.push((ChildOp::Credential(op), what.to_owned()));
    if is_node {
        add(CredentialOp::NoCoreDumps, "forbid core dumps");
        add(CredentialOp::FileModeMask(0o022), "set the file mode mask");
    }
    if let Some(set) = credentials.capabilities {
        add(CredentialOp::BoundingSet(set), "drop capabilities for good");
    }
    if let Some(identity) = &credentials.identity {
        if ids.allows_groups() {
            add(CredentialOp::Groups(identity.groups.clone()), "set supplementary groups");
        }
        let (user, group) = (identity.user, identity.group);
        add(CredentialOp::User { user, group }, &format!("become user {user} and group {group}"));
    }
    Ok(Enclosure { users, rights: rights(credentials)?, ..Enclosure::default() })
}

/// With no_new_privs a filter needs no right, and comes last; without, it needs CAP_SYS_ADMIN, and comes
/// before that is given away (seccomp(2)).
fn rights(credentials: &Credentials) -> Result<Vec<(ChildOp, String)>, String> {
    let step = |op: CredentialOp, what: &str| (ChildOp::Credential(op), what.to_owned());
    let capabilities = credentials
        .capabilities
        .or(credentials.identity.as_ref().filter(|identity| identity.user != 0).map(|_| 0))
        .map(|set| {
            // Who is not root has none, whatever the container may have (capabilities(7)).
            let is_root = credentials.identity.as_ref().is_none_or(|identity| identity.user == 0);
            step(CredentialOp::Capabilities(if is_root { set } else { 0 }), "drop capabilities")
        });
    let filters = filters(credentials)?.into_iter();
    let filters = filters.map(|filter| step(filter, "install a filter of system calls"));
    Ok(if credentials.no_new_privileges {
        let no_new_privileges = step(CredentialOp::NoNewPrivileges, "forbid new privileges");
        capabilities.into_iter().chain([no_new_privileges]).chain(filters).collect()
    } else {
        filters.chain(capabilities).collect()
    })
}

fn filters(credentials: &Credentials) -> Result<Vec<CredentialOp>, String> {
    match &credentials.seccomp {
        None | Some(SecurityProfile::Unconfined) => Ok(Vec::new()),
        Some(SecurityProfile::RuntimeDefault | SecurityProfile::Localhost(_)) => Ok(Vec::new()),
    }
}
