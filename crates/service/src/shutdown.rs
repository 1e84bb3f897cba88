//! When to stop: SIGTERM (what Docker sends), SIGINT (Ctrl-C) or SIGHUP (the terminal is closed).

use std::future::{Future, poll_fn};
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind};

/// Completes at the first SIGTERM, SIGINT or SIGHUP. A SIGHUP that is ignored, as under `nohup`, stays ignored.
///
/// A signal counts from the call on, also one that comes before anybody waits for it. Must be called within a Tokio runtime.
pub fn signal() -> impl Future<Output = ()> + Send {
    let hangup = (!ignores_hangup()).then(SignalKind::hangup);
    let kinds = [SignalKind::terminate(), SignalKind::interrupt()].into_iter().chain(hangup);
    // Without its handler a signal ends the process, which is also a stop.
    let heard = kinds.filter_map(|kind| tokio::signal::unix::signal(kind).ok());
    let mut heard: Vec<Signal> = heard.collect();
    poll_fn(move |context| {
        let mut came = false;
        for signal in &mut heard {
            came |= signal.poll_recv(context).is_ready();
        }
        if came { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// True if the process was started with SIGHUP ignored.
fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| hangup_is_ignored(&status))
}

/// True if the mask of ignored signals in `status`, of /proc, has the lowest bit: SIGHUP (signal(7)).
fn hangup_is_ignored(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    #[test]
    fn a_hangup_that_is_ignored_is_seen_in_the_mask() {
        for (status, expected) in [
            ("SigIgn:\t0000000000000001\n", true),
            ("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n", false),
            ("SigIgn:\t0000000000001001\nSigCgt:\t0\n", true),
            ("", false),
        ] {
            assert_eq!(super::hangup_is_ignored(status), expected, "{status}");
        }
    }

    /// Each signal is one to stop, and is no sudden end.
    #[tokio::test]
    async fn term_int_and_hangup_mean_stop() {
        // Tests that run under `nohup` have SIGHUP ignored, and it is to stay so.
        let hangup = (!super::ignores_hangup()).then_some(Signal::HUP);
        for number in [Signal::TERM, Signal::INT].into_iter().chain(hangup) {
            let mut stop = Box::pin(super::signal());
            let early = tokio::time::timeout(Duration::ZERO, &mut stop).await;
            assert!(early.is_err(), "it waits");
            kill_process(getpid(), number).unwrap();
            tokio::time::timeout(Duration::from_secs(10), stop).await.unwrap();
            // One that comes before anybody waits.
            let stop = super::signal();
            kill_process(getpid(), number).unwrap();
            tokio::time::timeout(Duration::from_secs(10), stop).await.unwrap();
        }
    }
}
