//! A collector of traces, for tests of the programs. Each crate's tests take this in.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// The collector, until the test's process ends.
pub(crate) struct Collector {
    /// Where it listens, as `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) endpoint: String,
    received: Receiver<Vec<u8>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let (got, received) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = got.send(answered(&stream));
            }
        });
        Self { endpoint, received }
    }

    /// What has come since this was last called: names are readable in it.
    pub(crate) fn text(&self) -> String {
        let all: Vec<u8> = self.received.try_iter().flatten().collect();
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// The body of a request, which is answered with success when it is there.
fn answered(mut stream: &TcpStream) -> Vec<u8> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).expect("a line") > 2 {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).expect("somebody who waits");
    body
}
