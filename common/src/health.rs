//! The check that a container's `HEALTHCHECK` runs: the service's own binary asks the service, so the image needs no other tool.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest wait for the answer; below the limit that compose sets around it.
const LIMIT: Duration = Duration::from_secs(3);
/// All that is asked. HTTP/1.0: the service closes the connection after its answer.
const REQUEST: &[u8] = b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n";

/// Whether the service on this machine's `port` answers `GET /livez` with 200 in time; else why not.
pub async fn check(port: u16) -> Result<(), String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match tokio::time::timeout(LIMIT, status_line(address)).await {
        Ok(Ok(line)) if line.starts_with("HTTP/1.") && line.contains(" 200") => Ok(()),
        Ok(Ok(line)) => Err(format!("unhealthy: {}", line.trim())),
        Ok(Err(error)) => Err(format!("no answer on port {port}: {error}")),
        Err(_) => Err(format!("no answer on port {port} within {LIMIT:?}")),
    }
}

async fn status_line(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(REQUEST).await?;
    let mut line = [0; 15];
    stream.read_exact(&mut line).await?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn answered(answer: &'static [u8]) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 39]).await.unwrap();
            stream.write_all(answer).await.unwrap();
        };
        let (health, ()) = tokio::join!(check(port), serve);
        health.is_ok()
    }

    #[tokio::test]
    async fn only_200_is_healthy() {
        assert!(answered(b"HTTP/1.0 200 OK\r\n\r\n").await);
        assert!(!answered(b"HTTP/1.0 503 Service Unavailable\r\n\r\n").await);
        assert!(!answered(b"SSH-2.0-200 what\r\n").await);
    }
}
