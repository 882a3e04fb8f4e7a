//! The sandbox's part in the pod's network: when what carries it is found, started and ended, and what becomes
//! of a pod without.

use std::net::{IpAddr, Ipv4Addr};

use super::place::Place;
use crate::plan::{NAME_SERVER, NetworkPlan, Reach};
use crate::runtime::cause;
use crate::runtime::network::{Found, NetworkHelper, REMEDY, addresses, remedy};

/// A pod's network, and what carries it.
#[derive(Debug)]
pub(in crate::runtime) struct Network {
    plan: NetworkPlan,
    helper: Option<NetworkHelper>,
    addresses: Vec<IpAddr>,
    /// That it has no way out, and why.
    lost: Vec<String>,
}

impl Network {
    pub(super) fn new(plan: NetworkPlan) -> Self {
        Self { plan, helper: None, addresses: vec![Ipv4Addr::LOCALHOST.into()], lost: Vec::new() }
    }

    /// Finds what will carry it. Only in the host's network: once that is left, `has_entered`, there is what
    /// there was. `joins_user`: the supervisor is about to enter a user namespace.
    pub(super) fn find(&mut self, place: &Place, joins_user: bool, has_entered: bool) -> Result<(), String> {
        if has_entered {
            return match (self.plan.reach, &self.helper) {
                (Reach::Outside, None) => Err(self.cannot("what started pasta has ended; run the pod anew")),
                (Reach::Outside | Reach::OutsideIfPossible | Reach::Itself | Reach::Host, _) => Ok(()),
            };
        }
        match NetworkHelper::find(&self.plan, &place.path(""), joins_user)? {
            Found::NotNeeded => {}
            Found::Missing => self.lose(&format!(
                "pasta is not installed; {REMEDY}, or say that none is needed: `--network none`"
            )),
            Found::Helper(helper) => self.helper = Some(helper),
        }
        Ok(())
    }

    /// Has it started for the namespaces that the supervisor is in now.
    pub(super) fn begin(&self) -> Result<(), String> {
        let begun = self.helper.as_ref().map_or(Ok(()), NetworkHelper::begin);
        begun.map_err(|error| self.cannot(&cause(error)))
    }

    /// Waits until it carries the network. A pod that asked for nothing goes without.
    pub(super) fn wait(&mut self) -> Result<(), String> {
        if let Some(helper) = &self.helper
            && let Err(words) = helper.wait()
        {
            let why = format!("{words}; {}", remedy(&words));
            match self.plan.reach {
                Reach::OutsideIfPossible => self.lose(&why),
                Reach::Host | Reach::Itself | Reach::Outside => return Err(self.cannot(&why)),
            }
            self.helper = None;
        }
        self.addresses = match self.helper {
            Some(_) => addresses(),
            // Only its loopback interface is up.
            None => vec![Ipv4Addr::LOCALHOST.into()],
        };
        Ok(())
    }

    fn lose(&mut self, why: &str) {
        let lost = format!("the pod's network has no way out: {why}");
        log::warn!("{lost}");
        self.lost = vec![lost];
    }

    /// That it has no way out where it could do without, in a sentence.
    pub(in crate::runtime) fn lost(&self) -> &[String] {
        &self.lost
    }

    fn cannot(&self, why: &str) -> String {
        let what =
            if self.plan.published.is_empty() { "give the pod's network a way out" } else { "publish ports" };
        format!("cannot {what}: {why}")
    }

    /// Ends what carries it, until the next set-up.
    pub(super) fn stop(&self) {
        if let Some(helper) = &self.helper {
            helper.stop();
        }
    }

    /// What carries the network, if something does.
    pub(in crate::runtime) fn helper(&self) -> Option<&NetworkHelper> {
        self.helper.as_ref()
    }

    /// It is gone, and cannot come back.
    pub(in crate::runtime) fn lose_helper(&mut self) -> Option<NetworkHelper> {
        self.helper.take()
    }

    /// The pod's addresses, never none.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// What stands for a name server that only the host reaches.
    pub(super) fn name_server(&self) -> Option<IpAddr> {
        self.helper.as_ref().map(|_| NAME_SERVER.into())
    }
}
