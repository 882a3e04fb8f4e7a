//! The supervisor's part in what containers read: terminals of their own, and who gets what is typed on podinit's.

use std::os::fd::OwnedFd;

use super::{Supervisor, name};
use crate::runtime::keyboard::Manner;
use crate::runtime::{Commands, cause};
use crate::spec::{ContainerId, Pod, Stdin};

/// Containers that were to read what is typed, and wait for nothing.
pub(super) fn tell_who_reads_nothing(pod: &Pod, has_terminal: bool) {
    let readers: Vec<&str> =
        pod.iter().filter(|(.., it)| it.stdin != Stdin::Empty).map(|(.., it)| &*it.name).collect();
    let why = match readers.len() {
        0 | 1 if has_terminal => return,
        0 | 1 => "podinit's standard input is no terminal",
        _ => "several containers have `stdin: true`",
    };
    log::warn!("nothing is passed on to container {}: {why}", readers.join(", "));
}

impl Supervisor {
    /// The container that reads what is typed on podinit's terminal, if that is exactly one.
    fn reader(&self) -> Option<ContainerId> {
        let mut readers = self.machine.pod().iter().filter(|(_, _, it)| it.stdin != Stdin::Empty);
        let reader = readers.next().map(|(id, ..)| id);
        reader.filter(|_| readers.next().is_none() && matches!(self.commands, Commands::OfManifest))
    }

    /// Rows and columns of a terminal for the container.
    pub(super) fn terminal_size(&self, container: ContainerId) -> (u16, u16) {
        let keyboard = self.keyboard.as_ref().filter(|_| self.reader() == Some(container));
        keyboard.map_or((0, 0), |keyboard| keyboard.size())
    }

    /// The container has executed its program: its terminal is there, if it has one.
    pub(super) fn take_terminal(&mut self, container: ContainerId) {
        let Some(master) = self.attempts.take_terminal(container) else { return };
        if let Ok(copy) = master.try_clone() {
            self.feed(container, copy, true);
        }
        if let Some(output) = &mut self.output
            && let Err(error) = output.add_terminal(container, master)
        {
            let name = name(self.machine.pod(), container);
            log::warn!("cannot read the output of container {name}: {}", cause(error));
        }
    }

    /// This is where the container reads from.
    pub(super) fn feed(&mut self, container: ContainerId, sink: OwnedFd, has_terminal: bool) {
        let stdin = self.machine.pod().container(container).map(|container| container.stdin);
        let manner = Manner { has_terminal, ends: stdin == Some(Stdin::Once) };
        let reader = self.reader();
        let Some(keyboard) = self.keyboard.as_mut().filter(|_| reader == Some(container)) else {
            // Nobody types: it is open all the same.
            self.inputs.insert(container, sink);
            return;
        };
        match keyboard.begin(container, sink, manner, &self.epoll) {
            Ok(None) => {}
            Ok(Some(keeper)) => {
                self.attempts.add_stranger(keeper);
                if let Some(output) = &mut self.output {
                    output.show_terminal(Some(container));
                }
            }
            Err(errno) => {
                let name = name(self.machine.pod(), container);
                log::warn!("cannot pass on what is typed to container {name}: {}", cause(errno));
            }
        }
    }

    /// The container reads nothing any more.
    pub(super) fn stop_feeding(&mut self, container: ContainerId) {
        self.inputs.remove(&container);
        let Some(keyboard) = &mut self.keyboard else { return };
        if let Some(keeper) = keyboard.end(container, &self.epoll) {
            self.attempts.stranger_ended(keeper);
            if let Some(output) = &mut self.output {
                output.show_terminal(None);
            }
        }
    }
}
