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

/// Which part of a list is wanted, where the list can be read from both ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ItemPage {
    /// The id of the last row of the page before; `None`: from the beginning.
    pub after: Option<String>,
    /// How many rows at most.
    pub limit: u32,
    /// Whether the newest row comes first.
    pub descending: bool,
}

impl ItemPage {
    /// The comparison with the row before, and the order, as SQL has them.
    pub(crate) const fn direction(&self) -> (&'static str, &'static str) {
        if self.descending { ("<", "DESC") } else { (">", "ASC") }
    }

    /// What comes before every number in this order.
    pub(crate) const fn start(&self) -> i64 {
        if self.descending { i64::MAX } else { i64::MIN }
    }

    /// The limit as it is bound: one row more tells whether there is another page.
    pub(crate) fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
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
    pub(crate) fn cut(data: Vec<T>, page: &Page) -> Self {
        Self::cut_at(data, page.limit)
    }

    /// From at most one row more than the limit.
    pub(crate) fn cut_at(mut data: Vec<T>, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = data.len() > limit;
        data.truncate(limit);
        Self { data, has_more }
    }
}
