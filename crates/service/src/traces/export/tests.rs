use super::*;

#[test]
fn a_collector_that_fails_is_told_of_once_and_so_is_its_return() {
    use std::io::Write;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let logging =
        crate::telemetry::dispatch(crate::telemetry::Logging::default(), move || writer.clone());
    let failing = AtomicBool::new(false);
    let answer = |status: u16| Ok(Response::builder().status(status).body(Bytes::new()).unwrap());
    tracing::dispatcher::with_default(&logging, || {
        for answer in [
            answer(200),
            answer(503),
            answer(404),
            Err("gone".into()),
            answer(200),
            answer(202),
            Err("off".into()),
        ] {
            tell(&answer, "http://c", &failing);
        }
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.splitn(4, ' ').nth(3).unwrap()).collect();
    assert_eq!(
        lines,
        [
            "traces cannot be delivered to http://c: HTTP 503 Service Unavailable",
            "traces can be delivered again",
            "traces cannot be delivered to http://c: off",
        ]
    );
}
