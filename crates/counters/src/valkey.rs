//! Shared counters in Valkey or Redis: one script answers all questions of a round trip.

use std::fmt;
use std::time::Duration;

use admission::shared::{
    Answer, Answering, Ask, Draw, Drawn, Heard, Held, Hold, Shared, SharedError,
};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::CountersError;

/// How long a connection, or an answer, may take before the connection is given up. Calls do not
/// wait as long: their patience is the limiter's.
const TIMEOUT: Duration = Duration::from_secs(1);

/// In the braces, for a server that is part of a cluster: there all keys are then in one place.
const PREFIX: &str = "{kijun}:";

/// Counters in Valkey.
pub(crate) struct Valkey {
    client: Client,
    script: Script,
    /// `None` until it is first needed, and after it broke.
    connection: Mutex<Option<MultiplexedConnection>>,
    node: String,
    lives: Duration,
}

impl fmt::Debug for Valkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client knows a password.
        f.debug_struct("Valkey").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Valkey {
    /// The counters at this URL, for a node of this name. What the node holds is its own for as long
    /// as it `lives` without saying so again. Nothing is sent yet.
    pub(crate) fn new(
        url: &SecretString,
        node: &str,
        lives: Duration,
    ) -> Result<Self, CountersError> {
        // The driver's error may quote the URL, and with it a password.
        let client = Client::open(url.expose_secret()).map_err(|_| CountersError::InvalidUrl)?;
        let (script, connection) = (Script::new(include_str!("valkey.lua")), Mutex::default());
        Ok(Self { client, script, connection, node: node.to_owned(), lives })
    }

    async fn answers(&self, asks: &[Ask]) -> Result<Vec<Answer>, SharedError> {
        let mut call = self.script.prepare_invoke();
        call.arg(&self.node).arg(u64::try_from(self.lives.as_millis()).unwrap_or(u64::MAX));
        for ask in asks {
            match ask {
                Ask::Draw(draw) => {
                    let Draw { key, amount, window, charge, want, at_least, heard } = draw;
                    call.key(format!("{PREFIX}{key}")).arg("draw").arg(amount).arg(window);
                    call.arg(charge).arg(want).arg(at_least).arg(heard.born).arg(heard.full_at);
                }
                Ask::Hold(hold) => {
                    let Hold { key, amount, held, want, at_least } = hold;
                    call.key(format!("{PREFIX}{key}")).arg("hold");
                    call.arg(amount).arg(held).arg(want).arg(at_least);
                }
            }
        }
        let mut connection = self.connected().await.map_err(|error| unavailable(&error))?;
        match call.invoke_async::<Vec<i64>>(&mut connection).await {
            Ok(numbers) => read(asks, &numbers),
            Err(error) => {
                // Also after a script that failed: a new connection costs little, and one that lost
                // its answers costs much.
                *self.connection.lock().await = None;
                Err(unavailable(&error))
            }
        }
    }

    async fn connected(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        let new = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(connection.insert(new).clone())
    }
}

impl Shared for Valkey {
    fn ask<'a>(&'a self, asks: &'a [Ask]) -> Answering<'a> {
        Box::pin(self.answers(asks))
    }
}

/// The answers, of four numbers each.
fn read(asks: &[Ask], numbers: &[i64]) -> Result<Vec<Answer>, SharedError> {
    let unreadable = || SharedError::Unreadable { reason: "an answer is incomplete".into() };
    let (answers, rest) = numbers.as_chunks::<4>();
    if answers.len() != asks.len() || !rest.is_empty() {
        return Err(unreadable());
    }
    let count = |number: i64| u64::try_from(number).map_err(|_| unreadable());
    let answer = |(ask, numbers): (&Ask, &[i64; 4])| {
        let [granted, second, third, fourth] = *numbers;
        Ok(match ask {
            Ask::Draw(_) => Answer::Drawn(Drawn {
                granted: count(granted)?,
                reset: Duration::from_nanos(count(second)?),
                heard: Heard { born: third, full_at: fourth },
            }),
            Ask::Hold(_) => Answer::Held(Held {
                granted: count(granted)?,
                total: count(second)?,
                holders: count(third)?,
            }),
        })
    };
    asks.iter().zip(answers).map(answer).collect()
}

fn unavailable(error: &RedisError) -> SharedError {
    SharedError::Unavailable { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        let open = |url: &str| Valkey::new(&url.to_owned().into(), "a", TIMEOUT);
        let valkey = open("rediss://kijun:canary@127.0.0.1:6379/2").unwrap();
        assert!(!format!("{valkey:?}").contains("canary"));
        let error = open("redis://kijun:canary@:x/").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_no_password_told_and_no_panic() {
        let valkey = Valkey::new(&"redis://:canary@127.0.0.1:1/".to_owned().into(), "a", TIMEOUT);
        let error = valkey.unwrap().ask(&[]).await.unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
