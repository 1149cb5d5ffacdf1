//! A call of each kind, and what its answer must be. Whatever else comes is wrong.

mod chats;
mod failing;
mod kept;
mod told;

use super::client::Client;
use super::mix::Kind;

/// Makes a call, with a number that no other one has.
///
/// # Errors
/// What was wrong with the answer.
pub(super) async fn make(kind: Kind, client: &Client, number: u64) -> Result<(), String> {
    match kind {
        Kind::Whole => chats::whole(client).await,
        Kind::EndUser => chats::end_user(client, number).await,
        Kind::Stream => chats::stream(client).await,
        Kind::Idempotent => chats::idempotent(client, number).await,
        Kind::Large => chats::large(client).await,
        Kind::Embedding => chats::embedding(client).await,
        Kind::Slow => chats::slow(client).await,
        Kind::HangUpInStream => chats::hang_up_in_stream(client).await,
        Kind::HangUpBefore => chats::hang_up_before(client).await,
        Kind::SlowReader => chats::slow_reader(client).await,
        Kind::BadJson => failing::bad_json(client).await,
        Kind::UnknownModel => failing::unknown_model(client).await,
        Kind::BadKey => failing::bad_key(client, number).await,
        Kind::Reset => failing::reset(client).await,
        Kind::Busy => failing::busy(client).await,
        Kind::Broken => failing::broken(client).await,
        Kind::Flaky => failing::flaky(client).await,
        Kind::FallenBack => failing::fallen_back(client).await,
        Kind::Cut => failing::cut(client).await,
        Kind::Stored => kept::chat(client).await,
        Kind::Response => kept::response(client).await,
        Kind::ResponseStream => kept::response_stream(client).await,
        Kind::ResponseUnstored => kept::response_unstored(client).await,
        Kind::Background => kept::background(client).await,
        Kind::File => kept::file(client, number).await,
        Kind::Usage => told::usage(client).await,
        Kind::Costs => told::costs(client).await,
        Kind::AuditLogs => told::audit_logs(client).await,
        Kind::Metrics => told::metrics(client).await,
        Kind::KeyMade => told::key_made(client, number).await,
    }
}
