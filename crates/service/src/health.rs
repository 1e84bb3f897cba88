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

    /// The verdict on a service that answers so, and what it was asked; the port is written as PORT.
    async fn asked(answer: &'static [u8]) -> (Result<(), String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 40];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&request).into_owned()
        };
        let (health, request) = tokio::join!(check(port), serve);
        (health.map_err(|why| why.replace(&port.to_string(), "PORT")), request)
    }

    #[tokio::test]
    async fn only_200_is_healthy() {
        let request = "GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n".to_owned();
        let rows: [(&[u8], Result<(), &str>); 6] = [
            (b"HTTP/1.0 200 OK\r\n\r\n", Ok(())),
            (b"HTTP/1.1 200 OK\r\n\r\n", Ok(())),
            (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", Err("unhealthy: HTTP/1.0 503 Se")),
            (b"HTTP/1.1 204 No Content\r\n\r\n", Err("unhealthy: HTTP/1.1 204 No")),
            (b"SSH-2.0-x 200 what\r\n", Err("unhealthy: SSH-2.0-x 200 w")),
            (b"HTTP/1.1 200", Err("no answer on port PORT: early eof")),
        ];
        for (answer, expected) in rows {
            let expected = (expected.map_err(str::to_owned), request.clone());
            assert_eq!(asked(answer).await, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_three_seconds() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let begin = tokio::time::Instant::now();
        assert_eq!(check(port).await, Err(format!("no answer on port {port} within 3s")));
        assert_eq!(begin.elapsed().as_secs(), 3);
    }
}
