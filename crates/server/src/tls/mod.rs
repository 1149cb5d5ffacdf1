//! TLS at the door: certificates from files, which are read again when they change.
//!
//! A client certificate, where one is asked for, only admits the connection; who calls is still told
//! by the API key.

mod expiry;
mod files;

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::{SharedClock, Timestamp};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::signal::unix::Signal;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) use files::TlsError;

use crate::config::TlsSection;
use files::{Files, Loaded, Stamp};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How often the end of the certificate is thought of.
const REMIND: Duration = Duration::from_secs(12 * 60 * 60);
/// From when on its end is a warning. Those who renew by themselves do it earlier.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// TLS at the door.
pub(crate) struct Tls {
    files: Files,
    /// How they looked just before they were first read.
    seen: Stamp,
    current: Mutex<Arc<Loaded>>,
    clock: SharedClock,
}

impl Tls {
    /// Reads the files that the configuration names; `None` where it names none.
    ///
    /// # Errors
    /// [`TlsError`]: a door that should be secured is not opened in the clear.
    pub(crate) fn open(
        section: &TlsSection,
        clock: SharedClock,
    ) -> Result<Option<Arc<Self>>, TlsError> {
        let Some(files) = Files::of(section)? else { return Ok(None) };
        let seen = files.stamp();
        let current = Mutex::new(Arc::new(files.load()?));
        let tls = Self { files, seen, current, clock };
        tls.remind();
        Ok(Some(Arc::new(tls)))
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// When the client speaks no TLS that we do, shows no certificate that is asked for, or takes
    /// too long.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current().config));
        let too_slow = |_| io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long");
        tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await.map_err(too_slow)?
    }

    /// When the certificate ends.
    pub(crate) fn not_after(&self) -> Option<Timestamp> {
        self.current().not_after
    }

    /// Reads the files again whenever they change or the process gets SIGHUP, for ever. What cannot
    /// be used changes nothing: the door stays open with what it had.
    pub(crate) async fn keep_fresh(self: Arc<Self>, mut hang_ups: Signal) -> Infallible {
        let mut seen = self.seen.clone();
        let mut reminder = tokio::time::interval(REMIND);
        reminder.reset();
        loop {
            let mut asked = false;
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                Some(()) = hang_ups.recv() => asked = true,
                _ = reminder.tick() => self.remind(),
            }
            let stamp = self.stamp().await;
            if asked || stamp != seen {
                seen = stamp;
                self.reload().await;
            }
        }
    }

    async fn stamp(self: &Arc<Self>) -> Stamp {
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || this.files.stamp()).await.unwrap_or_default()
    }

    async fn reload(self: &Arc<Self>) {
        let this = Arc::clone(self);
        let Ok(loaded) = tokio::task::spawn_blocking(move || this.files.load()).await else {
            return;
        };
        match loaded {
            Ok(loaded) => {
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
                tracing::info!("the certificate was read again");
                self.remind();
            }
            Err(error) => {
                tracing::error!(%error, "the new certificate cannot be used; the old one stays in use");
            }
        }
    }

    /// Says when the certificate ends, the louder the sooner.
    fn remind(&self) {
        let Some(end) = self.not_after() else {
            tracing::warn!("the certificate's end cannot be read");
            return;
        };
        let now = self.clock.now();
        // Nothing is left after the end.
        let left = end.since(now);
        let days = left.as_secs() / 86_400;
        if end <= now {
            tracing::error!("the certificate has expired; clients refuse it");
        } else if left < SOON {
            tracing::warn!(days, "the certificate expires soon; renew it");
        } else {
            tracing::info!(days, "the certificate is valid for so many days");
        }
    }

    fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Keeps a door without TLS as it is, for ever. SIGHUP asks a service to read its files again, and
/// must not end one that has none.
pub(crate) async fn nothing_to_read(mut hang_ups: Signal) -> Infallible {
    while hang_ups.recv().await.is_some() {
        tracing::info!("there is nothing to read again: server.tls names no certificate");
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests;
