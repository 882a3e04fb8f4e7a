//! The types of the Kubernetes API that a Pod is made of, as `types.txt` has them: a type a line, its
//! fields as `name:kind`, `!` behind the name of one that has to be there. Knows nothing of manifests.

const TYPES: &str = include_str!("types.txt");

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Boolean,
    /// Of 32 bits, or of 64.
    Integer {
        wide: bool,
    },
    Float,
    /// Such as `100m` or `64Mi`.
    Quantity,
    /// A number, or a name.
    Port,
    /// One of the words between `|`, or the empty one.
    Word(&'static str),
    List(&'static str),
    /// A mapping with the user's own keys.
    Map(&'static str),
    Object(Type),
    Anything,
}

/// One type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type {
    pub name: &'static str,
    fields: &'static str,
}

/// One field of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub name: &'static str,
    pub is_required: bool,
    pub kind: Kind,
}

impl Type {
    pub fn find(name: &str) -> Option<Self> {
        TYPES.lines().find_map(|line| {
            let (found, fields) = line.split_once(' ')?;
            (found == name).then_some(Self { name: found, fields })
        })
    }

    pub fn fields(self) -> impl Iterator<Item = Field> + Clone {
        self.fields.split(' ').filter_map(|field| {
            let (name, kind) = field.split_once(':')?;
            let required = name.strip_suffix('!');
            let is_required = required.is_some();
            Some(Field { name: required.unwrap_or(name), is_required, kind: Kind::of(kind)? })
        })
    }
}

impl Kind {
    /// What a word of the table means; `None` for a type that is not there, which a test rules out.
    pub fn of(word: &'static str) -> Option<Self> {
        let between = |open, close| word.strip_prefix(open)?.strip_suffix(close);
        Some(match word {
            "string" => Self::String,
            "bool" => Self::Boolean,
            "i32" => Self::Integer { wide: false },
            "i64" => Self::Integer { wide: true },
            "f64" => Self::Float,
            "quantity" => Self::Quantity,
            "port" => Self::Port,
            "any" => Self::Anything,
            name => match (between('[', ']'), between('{', '}'), between('(', ')')) {
                (Some(item), _, _) => Self::List(item),
                (_, Some(value), _) => Self::Map(value),
                (_, _, Some(words)) => Self::Word(words),
                (None, None, None) => Self::Object(Type::find(name)?),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_table_is_understood() {
        let mut fields = 0;
        for line in TYPES.lines() {
            let (name, rest) = line.split_once(' ').unwrap();
            let read: Vec<Field> = Type::find(name).unwrap().fields().collect();
            assert_eq!(read.len(), rest.split(' ').count(), "{name}");
            for field in &read {
                let (Kind::List(inner) | Kind::Map(inner)) = field.kind else { continue };
                assert!(Kind::of(inner).is_some(), "{name}.{}", field.name);
            }
            fields += read.len();
        }
        assert!(fields > 400, "{fields}");
    }
}
