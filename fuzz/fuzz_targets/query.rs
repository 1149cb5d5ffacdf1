//! Query strings: every parameter is read or refused, none is passed over.

#![no_main]

use api::organization::query::Query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mut query) = Query::read(text) else { return };
    let _ = query.number("limit", 1..=100);
    let _ = query.moment("start_time");
    let _ = query.flag("include_archived");
    let _ = query.word("order", &[("asc", 1), ("desc", 2)]);
    let _ = query.words("group_by", &[("model", 1)]);
    let _ = (query.list("models"), query.object("effective_at"), query.text("after"));
    let _ = query.finish();
});
