//! The only room with unsafe code: one thin safe function for each system call that nix lacks or gets
//! wrong, and the list of steps that a child takes between clone and exec. It knows none of the other
//! rooms, and decides nothing.
#![allow(unsafe_code)]

mod child;
mod datagram;
mod descriptors;
mod environment;
mod faults;
mod life;
mod machine;
mod mount;
mod namespaces;
mod output;
mod rights;
mod signals;
mod spawn;
mod trial;
mod wait;

pub(crate) use child::{
    ChildOp, CommandLine, CredentialOp, FileKind, FilterInstruction, From, LandlockRule, MakeKind, MountOp,
    Slot, StartReport, give_away,
};
pub(crate) use datagram::{Datagram, receive};
pub(crate) use descriptors::{bytes_available, change_mode, close_from, close_others, has_attribute};
pub(crate) use environment::{add_variable, environment, open_own_program};
pub(crate) use faults::on_fault;
pub(crate) use life::show_life;
pub(crate) use machine::{
    aside, bring_interface_up, is_first_process, set_terminal_size, terminal_size, write_port,
};
pub(crate) use mount::{
    MountAttributes, Propagation, Within, attach, change_mount, copy_mount, map_ids_of, mount_new, open_path,
};
pub(crate) use namespaces::{Namespaces, is_in_chroot, receive_descriptors, unshare};
pub(crate) use output::{write_if_there_is_room, write_once, write_without_waiting};
pub(crate) use rights::{effective_capabilities, is_filtered, permitted_capabilities};
pub(crate) use signals::{Signals, allow_signals, block_signals, stop};
pub(crate) use spawn::{
    Birth, Memory, exit_now, pidfd_open, send_signal, set_parent_death_signal, signal_group, spawn,
};
pub(crate) use trial::{landlock_version, try_clone_into_cgroup, try_clone3, try_close_range};
pub(crate) use wait::{
    ChildEvent, Wait, has_children, is_still_stopped, next_child_event, reap_without_looking,
};
