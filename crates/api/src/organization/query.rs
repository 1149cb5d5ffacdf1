//! Query parameters: read one by one, each refused by its name; at the end, none may be left over.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::extract::FromRequestParts;
use http::request::Parts;
use kernel::Timestamp;

use super::nearest::did_you_mean;
use crate::App;
use crate::problem::Problem;

/// The last second that a moment may be: the end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// The query parameters of a request.
pub struct Query {
    pairs: Vec<Pair>,
    known: Vec<&'static str>,
}

/// `name=value`, or `name[key]=value`.
struct Pair {
    name: String,
    key: String,
    value: String,
}

impl FromRequestParts<App> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Self::read(parts.uri.query().unwrap_or_default())
    }
}

impl Query {
    /// Reads a query string.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if name.contains('\0') || value.contains('\0') {
                return Err(invalid(&name, "holds a NUL character"));
            }
            // The official SDKs write lists as `name[]=a&name[]=b`, objects as `name[key]=a`.
            let (name, key) = name.split_once('[').unwrap_or((&*name, ""));
            let key = key.strip_suffix(']').unwrap_or(key).to_owned();
            pairs.push(Pair { name: name.to_owned(), key, value: value.into_owned() });
        }
        Ok(Self { pairs, known: Vec::new() })
    }

    /// A text; an empty one is none.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        Ok(self.one(name)?.filter(|text| !text.is_empty()))
    }

    /// A number within bounds.
    pub fn number(
        &mut self,
        name: &'static str,
        within: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        match text.parse() {
            Ok(number) if within.contains(&number) => Ok(Some(number)),
            _ => {
                let (first, last) = (within.start(), within.end());
                Err(invalid(name, &format!("must be a whole number from {first} to {last}")))
            }
        }
    }

    /// A moment, in seconds since the Unix epoch.
    pub fn moment(&mut self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        Ok(self.number(name, 0..=LAST_SECOND)?.map(Timestamp::from_secs))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        self.word(name, &[("true", true), ("false", false)])
    }

    /// One of these words.
    pub fn word<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, Problem> {
        self.one(name)?.map(|text| one_of(name, &text, words)).transpose()
    }

    /// Any of these words.
    pub fn words<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&'static str, T)],
    ) -> Result<Vec<T>, Problem> {
        self.list(name).iter().map(|text| one_of(name, text, words)).collect()
    }

    /// All values of a list.
    pub fn list(&mut self, name: &'static str) -> Vec<String> {
        self.take(name).map(|pair| pair.value).collect()
    }

    /// All values of an object, by their keys.
    pub fn object(&mut self, name: &'static str) -> BTreeMap<String, String> {
        self.take(name).map(|pair| (pair.key, pair.value)).collect()
    }

    /// Refuses what nobody asked for.
    pub fn finish(self) -> Result<(), Problem> {
        match self.pairs.first() {
            None => Ok(()),
            Some(Pair { name, .. }) => {
                let hint = did_you_mean(name, self.known.iter().copied());
                let message = format!("unknown query parameter `{name}`{hint}");
                Err(Problem::invalid(name, message))
            }
        }
    }

    fn take(&mut self, name: &'static str) -> impl Iterator<Item = Pair> {
        self.known.push(name);
        self.pairs.extract_if(.., move |pair| pair.name == name)
    }

    fn one(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let mut values = self.list(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(invalid(name, "is given more than once")),
        }
    }
}

/// A moment that a body names in seconds since the Unix epoch.
pub fn moment(param: &'static str, secs: i64) -> Result<Timestamp, Problem> {
    if (0..=LAST_SECOND).contains(&secs) {
        return Ok(Timestamp::from_secs(secs));
    }
    Err(invalid(param, &format!("must be from 0 to {LAST_SECOND}")))
}

fn one_of<T: Copy>(
    name: &'static str,
    text: &str,
    words: &[(&'static str, T)],
) -> Result<T, Problem> {
    let known = || words.iter().map(|(word, _)| *word);
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let list = known().collect::<Vec<_>>().join(", ");
        invalid(name, &format!("must be one of {list}{}", did_you_mean(text, known())))
    })
}

fn invalid(name: &str, reason: &str) -> Problem {
    Problem::invalid(name, format!("`{name}` {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_however_they_are_written() {
        let mut query = Query::read("a[]=1&a=2&a[0]=3&a%5B%5D=4&b=x+y").unwrap();
        assert_eq!(query.list("a"), ["1", "2", "3", "4"]);
        assert_eq!(query.text("b").unwrap().as_deref(), Some("x y"));
        assert!(query.finish().is_ok());
    }

    #[test]
    fn objects_are_read_by_their_keys() {
        let mut query = Query::read("m[a]=1&m%5Bb%5D=2&m[c[d]]=3&limit=4").unwrap();
        let expected = [("a", "1"), ("b", "2"), ("c[d]", "3")];
        let object = query.object("m");
        assert!(object.iter().map(|(key, value)| (&**key, &**value)).eq(expected), "{object:?}");
        assert!(query.finish().is_err());
    }

    #[test]
    fn what_is_no_number_in_bounds_is_refused() {
        for wrong in ["", "a", "0", "101", "1.5", "99999999999999999999", "-1", "null"] {
            let mut query = Query::read(&format!("limit={wrong}")).unwrap();
            assert!(query.number("limit", 1..=100).is_err(), "{wrong}");
        }
        let mut query = Query::read("limit=100").unwrap();
        assert_eq!(query.number("limit", 1..=100).unwrap(), Some(100));
    }

    #[test]
    fn twice_unknown_and_nul_are_refused() {
        assert!(Query::read("a=1&a=2").unwrap().text("a").is_err());
        assert!(Query::read("limti=1").unwrap().finish().is_err());
        assert!(Query::read("a=%00").is_err());
    }

    #[test]
    fn words_are_known_ones() {
        let words = [("asc", 1), ("desc", 2)];
        assert_eq!(Query::read("order=desc").unwrap().word("order", &words).unwrap(), Some(2));
        assert!(Query::read("order=dsc").unwrap().word("order", &words).is_err());
    }
}
