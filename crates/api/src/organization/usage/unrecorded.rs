//! Kinds of usage that OpenAI tells and that nothing here makes: no route of this node draws images,
//! hears, speaks, searches or runs code itself, and what a provider's own tools do is not counted.
//! Their questions are read and checked like all others; the answer is buckets without results.

use super::UsageBuckets;
use super::ask::read_time;
use crate::App;
use crate::organization::query::Query;
use crate::problem::Problem;

/// What a question may say beside its time.
pub(super) struct Beside {
    /// Filters by ids and names.
    pub(super) ids: &'static [&'static str],
    /// Filters by words, with the words that there are.
    pub(super) words: &'static [(&'static str, &'static [&'static str])],
    /// What results may be grouped by.
    pub(super) groups: &'static [&'static str],
}

/// The answer to a question about what is never used.
pub(super) fn unrecorded<T>(
    app: &App,
    mut query: Query,
    beside: &Beside,
) -> Result<UsageBuckets<T>, Problem> {
    let question = read_time(&mut query)?;
    for name in beside.ids {
        query.list(name);
    }
    for (name, words) in [&[("group_by", beside.groups)], beside.words].concat() {
        let words: Vec<_> = words.iter().map(|word| (*word, ())).collect();
        query.words(name, &words)?;
    }
    query.finish()?;
    Ok(UsageBuckets::of(app.store.usage_of_nothing(&question)?, |_| Vec::new()))
}
