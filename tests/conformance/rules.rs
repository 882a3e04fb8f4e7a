//! What the rules of `docs/kubernetes.md` say that no row asserts. A test is named after its rule.

mod conditions;
mod phase;
mod probes;
mod restart;
mod start;
mod status;
mod stop;
