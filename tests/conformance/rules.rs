//! What the rules of `docs/kubernetes.md` say that no row asserts. A test is named after its rule.

mod beyond;
mod conditions;
mod events;
mod expansion;
mod phase;
mod probes;
mod restart;
mod start;
mod status;
mod stop;
mod variants;
