//! Lists of the caller's own things, read from either end.

use store::ItemPage;
use utoipa::IntoParams;

use crate::organization::query::Query;
use crate::problem::Problem;

const DEFAULT_LIMIT: u32 = 20;
const MOST: i64 = 100;

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `items` reads")]
pub(crate) struct ItemParams {
    /// The id of the last object of the page before.
    #[param(nullable = false)]
    after: Option<String>,
    /// How many objects at most: 20 where nothing is said.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `asc`: the oldest first; `desc`: the newest.
    #[param(nullable = false)]
    order: Option<String>,
}

impl Query {
    /// The parameters of [`ItemParams`]. `descending`: the order where none is said.
    pub(crate) fn items(&mut self, descending: bool) -> Result<ItemPage, Problem> {
        let limit = self.number("limit", 1..=MOST)?;
        let order = self.word("order", &[("asc", false), ("desc", true)])?;
        Ok(ItemPage {
            after: self.text("after")?,
            limit: limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(DEFAULT_LIMIT),
            descending: order.unwrap_or(descending),
        })
    }
}
