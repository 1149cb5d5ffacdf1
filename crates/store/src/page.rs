//! Lists in pages.

/// Which part of a list is wanted. Lists are in the order of their ids, which is the order in which
/// the rows were made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The id of the last row of the page before; `None`: from the beginning.
    pub after: Option<String>,
    /// How many rows at most.
    pub limit: u32,
    /// Whether archived projects and revoked keys are in the list too.
    pub include_archived: bool,
}

impl Page {
    /// The limit as it is bound: one row more tells whether there is another page.
    pub(crate) fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }
}

impl Default for Page {
    /// The first hundred that are neither archived nor revoked.
    fn default() -> Self {
        Self { after: None, limit: 100, include_archived: false }
    }
}

/// One page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paged<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Whether there are rows after these.
    pub has_more: bool,
}

impl<T> Paged<T> {
    /// From what [`Page::fetch`] rows gave.
    pub(crate) fn cut(mut data: Vec<T>, page: &Page) -> Self {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let has_more = data.len() > limit;
        data.truncate(limit);
        Self { data, has_more }
    }
}
