//! When to stop: SIGTERM (what Docker sends) or SIGINT (Ctrl-C).

/// Completes at the first SIGTERM or SIGINT.
pub async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut stream) => stream.recv().await,
            // Without the handler the default action ends the process, which is also a stop.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    /// Either signal is one to stop, and is no sudden end.
    #[tokio::test]
    async fn term_and_int_mean_stop() {
        for number in [Signal::TERM, Signal::INT] {
            let mut stop = Box::pin(super::signal());
            let early = tokio::time::timeout(Duration::ZERO, &mut stop).await;
            assert!(early.is_err(), "it waits");
            kill_process(getpid(), number).unwrap();
            tokio::time::timeout(Duration::from_secs(10), stop).await.unwrap();
        }
    }
}
