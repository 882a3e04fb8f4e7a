//! The supervisor's part in what carries the pod's network: hearing of it, and having it started again.

use std::net::IpAddr;

use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::Supervisor;
use crate::pod::Event;
use crate::runtime::network::{Said, remedy};
use crate::runtime::token::Token;
use crate::runtime::{cause, unwatch};

impl Supervisor {
    /// The pod's network is there.
    pub(super) fn network_made(&mut self) {
        if let Some(addresses) = self.sandbox.addresses().map(<[IpAddr]>::to_vec) {
            if let Some(reporter) = &mut self.reporter {
                reporter.set_pod_addresses(&addresses);
                reporter.lose(self.sandbox.network().lost());
            }
            self.environment.set_pod_addresses(addresses);
        }
        if let Some(helper) = self.sandbox.network().helper() {
            self.attempts.add_stranger(helper.pid());
            // After another try of a Job it is watched already.
            let event = EpollEvent::new(EpollFlags::EPOLLIN, Token::Network.into());
            let _ = self.epoll.add(helper.socket(), event);
        }
    }

    /// What carries the pod's network has said something.
    pub(super) fn hear_of_network(&mut self) {
        loop {
            let Some(helper) = self.sandbox.network().helper() else { return };
            match helper.hear() {
                Ok(None) => return,
                Ok(Some(Said::Ready)) => log::info!("the pod's network has a way out again"),
                Ok(Some(Said::Stopped)) => {}
                Ok(Some(Said::Ended(words))) => {
                    let message = format!("{words}; {}", remedy(&words));
                    self.fact(Event::NetworkHelperDied { message });
                }
                Err(()) => {
                    if let Some(helper) = self.sandbox.network().lose_helper() {
                        unwatch(&self.epoll, helper.socket());
                    }
                    let message = "the pod's network has no way out any more: what started pasta has ended; run the \
                                   pod anew to have it again";
                    return self.fact(Event::ActionFailed { message: message.to_owned() });
                }
            }
        }
    }

    pub(super) fn restart_network_helper(&mut self) {
        let Some(helper) = self.sandbox.network().helper() else { return };
        if let Err(error) = helper.begin() {
            let message = cause(error);
            self.fact(Event::NetworkHelperDied { message });
        }
    }
}
