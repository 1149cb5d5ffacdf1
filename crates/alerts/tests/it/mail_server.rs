//! A mail server that takes mail, or refuses recipients, over plain sockets.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: String,
    /// The headers and the text.
    pub(crate) text: String,
}

pub(crate) struct MailServer {
    pub(crate) url: String,
    mails: watch::Sender<Vec<Mail>>,
    server: JoinHandle<()>,
}

/// What a server refuses everybody, with these words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusing {
    Nothing,
    Greeting(&'static str),
    Login(&'static str),
    Sender(&'static str),
}

impl MailServer {
    /// One that answers recipients whose address begins with a code by that code.
    pub(crate) async fn start() -> Self {
        Self::refusing(Refusing::Nothing).await
    }

    /// One that refuses everybody.
    pub(crate) async fn refusing(what: Refusing) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://kijun:secret@{}?tls=none", listener.local_addr().unwrap());
        let mails = watch::Sender::new(Vec::new());
        let taken = Arc::new(mails.clone());
        let server = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(converse(tcp, what, Arc::clone(&taken)));
            }
        });
        Self { url, mails, server }
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.mails.borrow().clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn converse(tcp: TcpStream, refusing: Refusing, taken: Arc<watch::Sender<Vec<Mail>>>) {
    let mut tcp = BufReader::new(tcp);
    let greeting = if let Refusing::Greeting(words) = refusing { words } else { "220 test" };
    tcp.write_all(format!("{greeting}\r\n").as_bytes()).await.unwrap();
    let mut mail = Mail { from: String::new(), to: String::new(), text: String::new() };
    loop {
        let mut line = String::new();
        if tcp.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let address = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let said = match verb.as_str() {
            "EHLO" => "250-test\r\n250-AUTH PLAIN\r\n250 8BITMIME".to_owned(),
            "AUTH" => match refusing {
                Refusing::Login(words) => words.to_owned(),
                _ => "235 ok".to_owned(),
            },
            "MAIL" if let Refusing::Sender(words) = refusing => words.to_owned(),
            "MAIL" => {
                mail.from = address();
                "250 ok".to_owned()
            }
            "RCPT" => {
                mail.to = address();
                match mail.to.get(..3).and_then(|code| code.parse::<u16>().ok()) {
                    Some(code) => format!("{code} <{}> is refused", mail.to),
                    None => "250 ok".to_owned(),
                }
            }
            "DATA" => {
                tcp.write_all(b"354 go on\r\n").await.unwrap();
                mail.text = body(&mut tcp).await;
                taken.send_modify(|mails| mails.push(mail.clone()));
                "250 taken".to_owned()
            }
            "QUIT" => "221 bye".to_owned(),
            _ => "250 ok".to_owned(),
        };
        if tcp.write_all(format!("{said}\r\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn body(tcp: &mut BufReader<TcpStream>) -> String {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        tcp.read_line(&mut line).await.unwrap();
        if line == ".\r\n" {
            return text;
        }
        text.push_str(&line);
    }
}
