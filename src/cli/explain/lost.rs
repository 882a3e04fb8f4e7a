//! What `podinit run` with the same options would lose of a pod on this host. Knows what is asked of the host
//! and in which words it is told; what a loss is, `plan` says.

use clap::ArgMatches;

use super::super::{degrade, run};
use crate::plan::{self, Fact, HostFacts, Images, Loss, LossClass, NetworkPlan, Protection, Reach, Unfit};
use crate::runtime;
use crate::spec::Pod;

/// What would be lost, or keep the pod from running.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    /// Each, and whether it was accepted.
    pub(super) losses: Vec<(Loss, bool)>,
    /// What cannot be on any host.
    pub(super) problems: Vec<String>,
}

impl Lost {
    /// In sentences. Limits have their own.
    pub(super) fn sentences(&self) -> Vec<String> {
        let told = |(loss, is_accepted): &(Loss, bool)| match (loss.class, is_accepted) {
            (LossClass::Resource, _) => None,
            (LossClass::Security | LossClass::Network, true) => Some(degrade::told(loss)),
            (LossClass::Security | LossClass::Network, false) => Some(degrade::sentence(loss)),
        };
        self.problems.iter().cloned().chain(self.losses.iter().filter_map(told)).collect()
    }
}

/// What would be lost with these options. Without any about root file systems containers that have none of their
/// own are taken to have the host's files.
///
/// # Errors
/// An option that makes no sense.
pub(super) fn lost(matches: &ArgMatches, pod: &Pod) -> Result<Lost, String> {
    let accepted = degrade::accepted(matches)?;
    let says_files = matches.get_flag("host-rootfs") || matches.contains_id("image");
    let images = match says_files {
        true => run::images(matches)?,
        false => Images { host_rootfs: true, ..Images::default() },
    };
    let missing = plan::missing_image_volumes(pod, &images);
    if !missing.is_empty() {
        return Ok(Lost { problems: missing, ..Lost::default() });
    }
    let published = run::published(matches).map_err(|problems| problems.join("; "))?;
    let pod = run::with_network(matches, pod)?;
    let isolation = match plan::isolation(&pod, &images) {
        Ok(isolation) => isolation,
        Err(problems) => return Ok(Lost { problems, ..Lost::default() }),
    };
    let mut asked = plan::asked_of_host(&pod, &isolation);
    if isolation.network {
        asked.insert(Fact::Pasta);
    }
    let facts = runtime::tried_facts(&asked);
    let mut lost = Lost::default();
    let fitted_pod = match plan::fitted(&pod, &images, &facts, &accepted) {
        Ok(fitted) => {
            let rest = plan::lost(&fitted.pod, &fitted.isolation, &facts);
            lost.losses.extend(fitted.lost.into_iter().map(|loss| (loss, true)));
            lost.losses.extend(rest.into_iter().map(|loss| (loss, false)));
            fitted.pod
        }
        Err(Unfit::Losses(_)) => {
            let is_accepted = |it: Option<Protection>| it.is_some_and(|it| accepted.contains(&it));
            let all = plan::lost(&pod, &isolation, &facts).into_iter();
            lost.losses.extend(all.map(|loss| (loss.clone(), is_accepted(loss.protection))));
            pod
        }
        Err(Unfit::Problems(problems)) => {
            lost.problems = problems;
            pod
        }
    };
    match plan::network(&fitted_pod, &published) {
        Ok(network) => lost.losses.extend(of_network(&network, &facts).map(|loss| (loss, false))),
        Err(problems) => lost.problems.extend(problems),
    }
    Ok(lost)
}

/// Where there is no network of its own that is what is lost, and not the way out of it.
fn of_network(network: &NetworkPlan, facts: &HostFacts) -> Option<Loss> {
    let is_host = network.reach == Reach::Host || facts.lack(Fact::NetworkNamespace).is_some();
    plan::lost_of_network(network, facts).filter(|_| !is_host)
}
