//! Users and groups of a root file system, from the text of its /etc/passwd and /etc/group. A reader of our
//! own: the C library's loads libraries out of the very root file system (PRIV-15). Lines that make no sense
//! are passed over, as the C library does.

/// Of each file no more than this is looked at (PRIV-10).
pub const MOST_ACCOUNT_BYTES: usize = 1 << 20;

/// The accounts of a root file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    name: Vec<u8>,
    user: u32,
    group: u32,
    home: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    group: u32,
    members: Vec<Vec<u8>>,
}

impl Accounts {
    /// What the two files say; an empty text is a file that is not there.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        let users = lines(passwd).filter_map(|line| {
            let [name, _, user, group, _, home] = fields(line)?;
            Some(User {
                name: name.to_vec(),
                user: number(user)?,
                group: number(group)?,
                home: home.to_vec(),
            })
        });
        let groups = lines(group).filter_map(|line| {
            let [_, _, group, members] = fields(line)?;
            let members = members.split(|byte| *byte == b',').filter(|name| !name.is_empty());
            Some(Group { group: number(group)?, members: members.map(<[u8]>::to_vec).collect() })
        });
        Self { users: users.collect(), groups: groups.collect() }
    }

    /// What this user is called.
    pub fn name_of(&self, user: u32) -> Option<&[u8]> {
        self.find(user).map(|found| found.name.as_slice())
    }

    /// The group that this user begins with.
    pub(super) fn group_of(&self, user: u32) -> Option<u32> {
        self.find(user).map(|found| found.group)
    }

    /// The directory that this user begins in.
    pub(super) fn home_of(&self, user: u32) -> Option<&[u8]> {
        self.find(user).map(|found| found.home.as_slice()).filter(|home| home.starts_with(b"/"))
    }

    /// The groups that list this user.
    pub(super) fn groups_of(&self, user: u32) -> impl Iterator<Item = u32> {
        let name = self.find(user).map(|found| found.name.as_slice());
        let lists = move |group: &&Group| name.is_some_and(|name| group.members.iter().any(|it| it == name));
        self.groups.iter().filter(lists).map(|group| group.group)
    }

    fn find(&self, user: u32) -> Option<&User> {
        self.users.iter().find(|found| found.user == user)
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.get(..MOST_ACCOUNT_BYTES).unwrap_or(text);
    text.split(|byte| *byte == b'\n').filter(|line| !line.contains(&0))
}

/// The first fields of a line, if it has as many and begins with a name.
fn fields<const COUNT: usize>(line: &[u8]) -> Option<[&[u8]; COUNT]> {
    let mut fields = line.split(|byte| *byte == b':');
    let mut first = [&[][..]; COUNT];
    for field in &mut first {
        *field = fields.next()?;
    }
    first.first().is_some_and(|name| !name.is_empty()).then_some(first)
}

/// An id; the last number stands for "no change" (setresuid(2)) and is none.
fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok().filter(|id| *id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priv_10_only_lines_that_make_sense_count() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\n\0zero:x:1:1::/a:\nlong\nbig:x:4294967295:0::/b:\n\
            web:x:33:34:www:/var/www:/bin/false\nweb2:x:33:35::/no:\nhuge:x:99999999999:1::/c:\n:x:7:7::/d:";
        let group = b"adm:x:4:web,other\nwww:x:34:\nnone\nvideo:x:44:root,web\nbad:x:-1:web";
        let accounts = Accounts::parse(passwd, group);
        assert_eq!(accounts.group_of(33), Some(34), "the first of two counts");
        assert_eq!(accounts.home_of(33), Some(&b"/var/www"[..]));
        assert_eq!(accounts.groups_of(33).collect::<Vec<_>>(), [4, 44]);
        assert_eq!(accounts.groups_of(5).count(), 0);
        for unknown in [1, 7, u32::MAX] {
            assert_eq!(accounts.group_of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn priv_10_a_huge_file_is_cut() {
        let mut passwd = vec![b'x'; MOST_ACCOUNT_BYTES];
        passwd.extend(b"\nweb:x:33:33::/:\n");
        assert_eq!(Accounts::parse(&passwd, b"").group_of(33), None);
    }
}
