//! Which ids of this host the users of a pod have that does not share the host's (KEP-127): ranges that nobody of
//! this host has been given. Pure: who of the running pods has which of them is the runtime's to know.

/// Ids that such a pod has. Kubelet gives as many, and so that they begin with a multiple of it.
pub const IDS_OF_POD: u32 = 1 << 16;

/// Who is to be asked for in /etc/subuid and /etc/subgid: with a range of this user's podinit keeps to it.
pub const OWNER_OF_RANGES: &str = "podinit";

/// What this host says of its ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdFiles<'a> {
    /// /etc/subuid.
    pub subuid: &'a str,
    /// /etc/subgid.
    pub subgid: &'a str,
    /// /etc/passwd.
    pub passwd: &'a str,
    /// /etc/group.
    pub group: &'a str,
    /// /proc/self/uid_map.
    pub uid_map: &'a str,
    /// /proc/self/gid_map.
    pub gid_map: &'a str,
}

/// Ids from the first up to the last.
type Range = (u64, u64);

/// The first id of each range that a pod may have, in the order in which they are to be tried.
pub fn ranges_for_pods(files: IdFiles<'_>) -> impl Iterator<Item = u32> + use<> {
    let subordinate = [files.subuid, files.subgid].map(subordinate);
    let [own_users, own_groups] = subordinate.each_ref().map(|all| -> Vec<Range> {
        all.iter().filter(|(name, _)| *name == OWNER_OF_RANGES).map(|(_, range)| *range).collect()
    });
    let has_own = !own_users.is_empty() && !own_groups.is_empty();
    let mut taken: Vec<Range> = subordinate
        .iter()
        .flatten()
        .filter(|(name, _)| !has_own || *name != OWNER_OF_RANGES)
        .map(|(_, range)| *range)
        .collect();
    taken.extend([files.passwd, files.group].into_iter().flat_map(accounts));
    let [users, groups] = [files.uid_map, files.gid_map].map(mapped);
    let blocks = (1..u32::MAX / IDS_OF_POD).map(|block| block * IDS_OF_POD);
    blocks.filter(move |first| {
        let range = (u64::from(*first), u64::from(*first) + u64::from(IDS_OF_POD) - 1);
        let is_within = |all: &[Range]| all.iter().any(|one| one.0 <= range.0 && range.1 <= one.1);
        let is_free = taken.iter().all(|one| one.1 < range.0 || range.1 < one.0);
        let is_own = !has_own || is_within(&own_users) && is_within(&own_groups);
        is_free && is_own && is_within(&users) && is_within(&groups)
    })
}

/// Whose each range is (subuid(5)).
fn subordinate(text: &str) -> Vec<(&str, Range)> {
    let of_line = |line: &'_ str| -> Option<Range> {
        let mut fields = line.split(':').skip(1);
        range(fields.next()?, fields.next()?)
    };
    text.lines().filter_map(|line| Some((line.split(':').next()?.trim(), of_line(line)?))).collect()
}

/// The third field of a line of /etc/passwd or /etc/group.
fn accounts(text: &str) -> impl Iterator<Item = Range> {
    text.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok()).map(|id: u64| (id, id))
}

/// Ids that this user namespace has (user_namespaces(7)).
fn mapped(text: &str) -> Vec<Range> {
    let of_line = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let first = fields.next()?;
        range(first, fields.nth(1)?)
    };
    text.lines().filter_map(of_line).collect()
}

fn range(first: &str, count: &str) -> Option<Range> {
    let (first, count): (u64, u64) = (first.trim().parse().ok()?, count.trim().parse().ok()?);
    Some((first, first.saturating_add(count.checked_sub(1)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "         0          0 4294967295\n";

    fn first<const COUNT: usize>(change: impl Fn(&mut IdFiles<'static>)) -> Vec<u32> {
        let mut files = IdFiles { uid_map: WHOLE, gid_map: WHOLE, ..IdFiles::default() };
        change(&mut files);
        ranges_for_pods(files).take(COUNT).collect()
    }

    #[test]
    fn without_a_range_of_podinit_s_they_begin_after_the_users_of_the_host() {
        assert_eq!(first::<2>(|_| {}), [65_536, 131_072]);
        assert_eq!(first::<1>(|files| files.passwd = "big:x:70000:1::/:/bin/sh"), [131_072]);
    }

    #[test]
    fn nobody_who_is_in_etc_subuid_or_subgid_shares_one() {
        // As useradd(8) gives them: the second range begins within a block, and ends within the next.
        let found = first::<2>(|files| {
            files.subuid = "web:100000:65536\nkubelet:196608:65536\n";
            files.subgid = "other:262144:1\n";
        });
        assert_eq!(found, [327_680, 393_216]);
    }

    #[test]
    fn with_a_range_of_podinit_s_podinit_keeps_to_it() {
        let found = first::<9>(|files| {
            files.subuid = "podinit:655360:131072\nweb:100000:65536\n";
            files.subgid = "podinit:655360:131072\n";
        });
        assert_eq!(found, [655_360, 720_896]);
        let apart = first::<9>(|files| {
            (files.subuid, files.subgid) = ("podinit:655360:65536\n", "podinit:720896:65536\n");
        });
        assert_eq!(apart, [0; 0], "no range is of users and of groups");
    }

    #[test]
    fn in_a_user_namespace_there_is_only_what_it_has() {
        assert_eq!(first::<9>(|files| files.uid_map = "0 1000 1\n1 200000 65535\n"), [0; 0]);
        assert_eq!(first::<9>(|files| files.gid_map = "0 200000 131072\n"), [65_536]);
    }

    #[test]
    fn the_last_id_stands_for_no_change_and_is_never_in_one() {
        let all: Vec<u32> = first::<100_000>(|_| {});
        assert_eq!(all.last(), Some(&(65_534 * 65_536)));
    }
}
