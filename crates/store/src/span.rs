//! The stretch of time of one page of usage, and its cut into buckets.

use kernel::Timestamp;

use crate::{StoreError, UsageQuery};

/// One page of a query's time, in microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    /// Where the page begins.
    pub(crate) start: i64,
    /// Where the page ends: before here.
    pub(crate) page_end: i64,
    /// Where the query ends.
    end: i64,
    width: i64,
}

const CURSOR: &str = "page_";

impl Span {
    /// The page that the query asks for.
    pub(crate) fn new(query: &UsageQuery, now: Timestamp) -> Result<Self, StoreError> {
        let width = query.bucket.micros();
        let most = query.most_buckets.unwrap_or(query.bucket.max_limit());
        let limit = query.limit.unwrap_or(query.bucket.default_limit());
        if !(1..=most).contains(&limit) {
            return Err(StoreError::invalid("limit", format!("must be from 1 to {most}")));
        }
        let first = query.start.as_micros();
        if first < 0 {
            return Err(StoreError::invalid("start_time", "must not be before 1970"));
        }
        let end = match query.end {
            Some(end) if end <= query.start => {
                return Err(StoreError::invalid("end_time", "must be after start_time"));
            }
            Some(end) => end.as_micros(),
            // The bucket that is now under way is shown whole.
            None => floor(now.as_micros(), width).saturating_add(width),
        };
        let start = match &query.page {
            None => first,
            Some(cursor) => read_cursor(cursor)
                .filter(|at| *at > first && *at < end && at % width == 0)
                .ok_or_else(|| {
                    StoreError::invalid("page", "is not the next_page of such a query")
                })?,
        };
        let page_end = floor(start, width).saturating_add(width.saturating_mul(limit.into()));
        Ok(Self { start, page_end: page_end.min(end), end, width })
    }

    /// The page's buckets. The first begins and the last ends where the query does.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (Timestamp, Timestamp)> + use<> {
        let Self { start, page_end, width, .. } = *self;
        let end_of = move |at: i64| floor(at, width).saturating_add(width).min(page_end);
        std::iter::successors(Some(start), move |at| Some(end_of(*at)))
            .take_while(move |at| *at < page_end)
            .map(move |at| (Timestamp::from_micros(at), Timestamp::from_micros(end_of(at))))
    }

    /// Ends the page before the last row's bucket, which may be incomplete, if there are more rows
    /// than `most`. Rows come with the start of their bucket, in order.
    pub(crate) fn cut_at_most<T>(
        &mut self,
        mut rows: Vec<(i64, T)>,
        most: usize,
    ) -> Result<Vec<(i64, T)>, StoreError> {
        let Some(&(last, _)) = rows.last().filter(|_| rows.len() > most) else {
            return Ok(rows);
        };
        if last <= self.start {
            let reason = format!("gives more than {most} rows in one bucket; ask for fewer groups");
            return Err(StoreError::invalid("group_by", reason));
        }
        self.page_end = last;
        rows.retain(|(at, _)| *at < last);
        Ok(rows)
    }

    /// What the next page is asked for with.
    pub(crate) fn next_page(&self) -> Option<String> {
        (self.page_end < self.end).then(|| format!("{CURSOR}{:x}", self.page_end))
    }
}

fn read_cursor(cursor: &str) -> Option<i64> {
    i64::from_str_radix(cursor.strip_prefix(CURSOR)?, 16).ok()
}

const fn floor(at: i64, width: i64) -> i64 {
    at - at.rem_euclid(width)
}

#[cfg(test)]
mod tests {
    use kernel::Operation;

    use super::*;
    use crate::BucketWidth;

    fn query(start_s: i64, end_s: i64) -> UsageQuery {
        UsageQuery {
            end: Some(Timestamp::from_secs(end_s)),
            bucket: BucketWidth::Minute,
            ..UsageQuery::new(vec![Operation::Embeddings], Timestamp::from_secs(start_s))
        }
    }

    fn seconds(span: &Span) -> Vec<(i64, i64)> {
        span.buckets().map(|(start, end)| (start.as_secs(), end.as_secs())).collect()
    }

    #[test]
    fn buckets_are_whole_minutes_cut_at_both_ends() {
        let span = Span::new(&query(90, 200), Timestamp::default()).unwrap();
        assert_eq!(seconds(&span), [(90, 120), (120, 180), (180, 200)]);
        assert_eq!(span.next_page(), None);
    }

    #[test]
    fn without_an_end_the_present_bucket_is_whole() {
        let query = UsageQuery { end: None, ..query(60, 0) };
        let span = Span::new(&query, Timestamp::from_secs(130)).unwrap();
        assert_eq!(seconds(&span), [(60, 120), (120, 180)]);
        let later = UsageQuery { start: Timestamp::from_secs(999), ..query };
        assert!(seconds(&Span::new(&later, Timestamp::from_secs(130)).unwrap()).is_empty());
    }

    #[test]
    fn pages_follow_each_other_without_gap() {
        let mut query = UsageQuery { limit: Some(2), ..query(30, 300) };
        let mut seen = Vec::new();
        loop {
            let span = Span::new(&query, Timestamp::default()).unwrap();
            assert!(seconds(&span).len() <= 2);
            seen.extend(seconds(&span));
            query.page = span.next_page();
            if query.page.is_none() {
                break;
            }
        }
        assert_eq!(seen, [(30, 60), (60, 120), (120, 180), (180, 240), (240, 300)]);
    }

    #[test]
    fn what_no_page_can_be_is_refused() {
        let wrong = |change: fn(&mut UsageQuery)| {
            let mut query = query(0, 600);
            change(&mut query);
            Span::new(&query, Timestamp::default()).unwrap_err().to_string()
        };
        assert!(wrong(|q| q.limit = Some(0)).contains("from 1 to 1440"));
        assert!(wrong(|q| q.limit = Some(1441)).contains("limit"));
        assert!(wrong(|q| q.end = Some(q.start)).contains("end_time"));
        for cursor in ["", "page_", "page_zz", "page_-1", "page_0", "page_1", "page_7fffffffffff"] {
            let query = UsageQuery { page: Some(cursor.into()), ..query(0, 600) };
            assert!(Span::new(&query, Timestamp::default()).is_err(), "{cursor}");
        }
    }

    #[test]
    fn a_page_with_too_many_rows_ends_at_a_whole_bucket() {
        let minute = 60_000_000;
        let mut span = Span::new(&query(0, 300), Timestamp::default()).unwrap();
        let rows = vec![(0, 'a'), (0, 'b'), (minute, 'c'), (2 * minute, 'd')];
        assert_eq!(span.cut_at_most(rows.clone(), 4).unwrap(), rows);
        assert_eq!(span.cut_at_most(rows, 3).unwrap(), [(0, 'a'), (0, 'b'), (minute, 'c')]);
        assert_eq!(seconds(&span), [(0, 60), (60, 120)]);
        assert_eq!(span.next_page(), Some(format!("page_{:x}", 2 * minute)));
        assert!(span.cut_at_most(vec![(0, 'a'), (0, 'b')], 1).is_err());
    }
}
