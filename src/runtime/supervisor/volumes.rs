//! The supervisor's part in the pod's volumes: waiting until they are the pod's, and their files anew.

use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::Supervisor;
use crate::pod::Event;
use crate::runtime::token::Token;
use crate::runtime::{cause, unwatch};

impl Supervisor {
    /// The pod's surroundings are there, but for volumes that may be on their way to the pod's group.
    pub(super) fn follow_volumes(&mut self) {
        let Some(change) = self.sandbox.change() else { return self.fact(Event::SandboxReady) };
        self.attempts.add_stranger(change.pid());
        let event = EpollEvent::new(EpollFlags::EPOLLIN, Token::Ownership.into());
        if let Err(errno) = self.epoll.add(change.report(), event) {
            self.volumes_failed(format!("cannot wait for the pod's volumes: {}", cause(errno)));
        }
    }

    /// What gives volumes to the group has said something.
    pub(super) fn hear_of_volumes(&mut self) {
        let Some(heard) = self.sandbox.change().as_ref().and_then(|change| change.hear()) else { return };
        if let Some(change) = self.sandbox.change().take() {
            unwatch(&self.epoll, change.report());
        }
        match heard {
            Ok(kept) => {
                if let Some(message) = kept {
                    self.fact(Event::ActionFailed { message });
                }
                self.fact(Event::SandboxReady);
            }
            Err(why) => self.volumes_failed(why),
        }
    }

    /// The pod has changed, and so may have what its files tell.
    pub(super) fn refresh_volumes(&mut self) {
        let surroundings = self.environment.surroundings();
        let (written, problems) = self.sandbox.refresh(self.machine.pod(), surroundings);
        for volume in written {
            log::info!("the files of volume {volume} are others now");
        }
        for message in problems {
            self.fact(Event::ActionFailed { message });
        }
    }

    fn volumes_failed(&mut self, message: String) {
        self.sandbox.tear_down();
        self.fact(Event::SandboxFailed { message });
    }
}
