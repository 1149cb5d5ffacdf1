//! Lists in pages, in OpenAI's shape.

use serde::Serialize;
use store::{Page, Paged};
use utoipa::{IntoParams, ToSchema};

use super::query::Query;
use crate::problem::Problem;

const DEFAULT_LIMIT: u32 = 20;
const MOST: u32 = 100;

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// Always `list`.
    object: &'static str,
    /// The page's objects.
    data: Vec<T>,
    /// The id of the first one.
    #[schema(required)]
    first_id: Option<String>,
    /// The id of the last one: `after` of the next page.
    #[schema(required)]
    last_id: Option<String>,
    /// Whether there are more after these.
    has_more: bool,
}

/// What can be in a list.
pub(crate) trait Listed {
    /// What `after` names it by.
    fn id(&self) -> &str;
}

impl<T: Listed> List<T> {
    /// A page as the store gave it.
    pub(crate) fn new(data: Vec<T>, has_more: bool) -> Self {
        let id = |item: Option<&T>| item.map(|item| item.id().to_owned());
        let (first_id, last_id) = (id(data.first()), id(data.last()));
        Self { object: "list", data, first_id, last_id, has_more }
    }

    /// A page as the store gave it, each row in the API's shape.
    pub(crate) fn of<Row>(paged: Paged<Row>, shape: impl FnMut(Row) -> T) -> Self {
        Self::new(paged.data.into_iter().map(shape).collect(), paged.has_more)
    }

    /// The page of a list that is all at hand.
    pub(crate) fn cut(mut all: Vec<T>, page: &Page) -> Result<Self, Problem> {
        if let Some(after) = &page.after {
            let Some(at) = all.iter().position(|item| item.id() == after) else {
                return Err(Problem::invalid("after", format!("`{after}` is not in this list")));
            };
            all.drain(..=at);
        }
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let has_more = all.len() > limit;
        all.truncate(limit);
        Ok(Self::new(all, has_more))
    }
}

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `page` reads")]
pub(crate) struct PageParams {
    /// The id of the last object of the page before.
    #[param(nullable = false)]
    after: Option<String>,
    /// How many objects at most: 20 where nothing is said.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

impl Query {
    /// The parameters of [`PageParams`].
    pub(crate) fn page(&mut self) -> Result<Page, Problem> {
        let limit = self.number("limit", 1..=i64::from(MOST))?;
        Ok(Page {
            after: self.text("after")?,
            limit: limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(DEFAULT_LIMIT),
            include_archived: false,
        })
    }
}
