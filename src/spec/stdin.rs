//! What a container can read from its standard input: how it is written, and what that comes to.

use super::decode::Fields;

/// What a container can read from its standard input, unless podinit's is handed over to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing: it ends at once.
    #[default]
    Empty,
    /// What is typed where podinit has a terminal. It never ends.
    Open,
    /// The same, and its end is the container's as well (`stdinOnce`).
    Once,
}

/// `stdinOnce` says nothing by itself, as in Kubernetes.
pub(super) fn stdin(fields: &mut Fields<'_>) -> Stdin {
    let [is_open, is_once] = ["stdin", "stdinOnce"]
        .map(|field| fields.take(field).and_then(|item| item.boolean()).unwrap_or(false));
    match (is_open, is_once) {
        (false, _) => Stdin::Empty,
        (true, false) => Stdin::Open,
        (true, true) => Stdin::Once,
    }
}
