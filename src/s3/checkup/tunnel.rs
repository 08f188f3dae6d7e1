//! The way through a proxy, asked for as the HTTP client would.

use std::io::{Error, ErrorKind};

use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::s3::proxy::Via;

/// The most that is read of a proxy's answer.
const LONGEST_ANSWER: usize = 8 << 10;

/// Asks a proxy for a connection to a store.
pub(super) async fn open(
    stream: &mut TcpStream,
    via: &Via,
    host: &str,
    port: u16,
) -> std::io::Result<()> {
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some(authorization) = &via.authorization {
        request += &format!("Proxy-Authorization: {}\r\n", authorization.expose_secret());
    }
    request += "\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= LONGEST_ANSWER {
            return Err(Error::new(ErrorKind::InvalidData, "its answer has no end"));
        }
        answer.push(stream.read_u8().await?);
    }
    let line = String::from_utf8_lossy(&answer);
    let status = line.split_whitespace().nth(1).unwrap_or_default();
    match status {
        "200" => Ok(()),
        "407" => Err(Error::other("it wants a user and a password (407)")),
        other => {
            let shown: String = other.chars().filter(char::is_ascii_digit).take(3).collect();
            Err(Error::other(format!("it refused the connection ({shown})")))
        }
    }
}
