//! The pod's control groups: one for the pod, one in it for each attempt of a container. What they are given
//! is decided in `plan`; where they go, what this host allows, and their end is done here.
//!
//! ```text
//! PLACE/podinit/supervisor       podinit itself, where it must not stay in PLACE
//! PLACE/podinit/NAME             the pod; locked as long as podinit lives
//! PLACE/podinit/NAME/web.0       the first attempt of container web
//! ```

mod attempt;
mod group;
mod obstacle;
mod place;
mod tree;

pub(super) use attempt::AttemptGroup;
use obstacle::Obstacle;
use tree::Tree;

use crate::plan::{self, Controller};
use crate::pod::AttemptId;
use crate::spec::{ContainerId, Pod};

/// The groups of a pod, or why there are none.
#[derive(Debug)]
pub(super) struct Cgroups {
    state: State,
    /// What cannot be enforced is refused.
    strict: bool,
}

#[derive(Debug)]
enum State {
    /// The pod asks for nothing that needs one.
    Unwanted,
    /// This host does not allow any.
    Impossible(Obstacle),
    /// They would limit nothing here, and whom they would tell and kill together ends together anyway.
    Needless(Vec<(Controller, Obstacle)>),
    Possible(Box<Tree>),
}

impl Cgroups {
    /// Makes the pod's group, where one is wanted and possible, and says which limits this host does not
    /// enforce. A pod that `may_change` may get limits while it runs. `ends_by_itself`: the processes of each of
    /// its containers end with their process namespace.
    ///
    /// # Errors
    /// With `strict`: those limits.
    pub(super) fn open(
        pod: &Pod,
        may_change: bool,
        strict: bool,
        ends_by_itself: bool,
    ) -> Result<Self, String> {
        let mut cgroups = Self { state: State::Unwanted, strict };
        if !may_change && !plan::wants_cgroups(pod) {
            return Ok(cgroups);
        }
        let may_be_needless = ends_by_itself && !may_change;
        let made = place::find().and_then(|place| match tree::without_controllers(pod, &place)? {
            Some(missing) if may_be_needless => Ok(State::Needless(missing)),
            Some(_) | None => Tree::make(pod, place).map(|tree| State::Possible(Box::new(tree))),
        });
        cgroups.state = made.unwrap_or_else(State::Impossible);
        let complained = cgroups.complain(pod);
        if complained.is_err() {
            cgroups.remove_all();
        }
        complained.map(|()| cgroups)
    }

    /// Limits of this pod that are not enforced: warnings, or an error.
    fn complain(&self, pod: &Pod) -> Result<(), String> {
        let complaints = self.complaints(pod);
        match complaints.as_slice() {
            [first, ..] if self.strict => Err(first.clone()),
            complaints => {
                complaints.iter().for_each(|complaint| log::warn!("{complaint}"));
                Ok(())
            }
        }
    }

    /// Limits of this pod that are not enforced, and why.
    pub(super) fn complaints(&self, pod: &Pod) -> Vec<String> {
        match &self.state {
            State::Unwanted => Vec::new(),
            State::Impossible(obstacle) => {
                let all = Controller::ALL.into_iter().map(|controller| (controller, obstacle));
                obstacle::complaints(all, pod)
            }
            State::Needless(missing) => {
                let missing = missing.iter().map(|(controller, obstacle)| (*controller, obstacle));
                obstacle::complaints(missing, pod)
            }
            State::Possible(tree) => obstacle::complaints(tree.missing(), pod),
        }
    }

    /// Makes the group of a new attempt; `None` where this pod or host has none.
    ///
    /// # Errors
    /// It could not be made, or, with `strict`, not be limited.
    pub(super) fn prepare(&mut self, pod: &Pod, id: AttemptId) -> Result<Option<AttemptGroup>, String> {
        match &mut self.state {
            State::Unwanted | State::Impossible(_) | State::Needless(_) => Ok(None),
            State::Possible(tree) => tree.prepare(pod, id, self.strict).map(Some),
        }
    }

    /// Gives a container that runs what the manifest says now. What cannot be enforced here at all counts
    /// as done, with a warning, as at the start.
    ///
    /// # Errors
    /// The container keeps what it has.
    pub(super) fn resize(
        &mut self,
        pod: &Pod,
        id: ContainerId,
        group: Option<&AttemptGroup>,
    ) -> Result<(), String> {
        match (&mut self.state, group) {
            (State::Unwanted | State::Impossible(_) | State::Needless(_), _) => self.complain(pod),
            // What runs has one; what does not gets what it needs when it starts.
            (State::Possible(_), None) => Ok(()),
            (State::Possible(tree), Some(group)) => {
                tree.resize(pod, id, group)?;
                self.complain(pod)
            }
        }
    }

    /// Kills what is left and removes the groups.
    pub(super) fn remove_all(&mut self) {
        if let State::Possible(tree) = &mut self.state {
            tree.remove();
        }
    }
}

/// Why limits by this controller, or without one control groups at all, are not to be had here, and what
/// helps; `None` where they are. Changes nothing.
pub(crate) fn lack(controller: Option<Controller>) -> Option<(String, String)> {
    match controller {
        Some(controller) => {
            let obstacle = tree::judge(controller)?;
            Some(obstacle.parts(&format!("the {} controller", controller.name())))
        }
        None => tree::judge_place().map(|obstacle| obstacle.parts("the controllers")),
    }
}

/// The limits of a pod that this host does not enforce, and why, as far as can be told without a try.
pub(crate) fn not_enforced(pod: &Pod) -> Vec<String> {
    if !plan::wants_cgroups(pod) {
        return Vec::new();
    }
    let judged = Controller::ALL.map(|controller| (controller, tree::judge(controller)));
    let obstacles =
        judged.iter().filter_map(|(controller, obstacle)| Some((*controller, obstacle.as_ref()?)));
    obstacle::complaints(obstacles, pod)
}
