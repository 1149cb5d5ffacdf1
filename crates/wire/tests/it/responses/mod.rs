//! Tests of the Responses API: requests, what upstreams are asked, and what clients hear.

mod answers;
mod create;
mod lint;
mod requests;
mod requests_arbitrary;
