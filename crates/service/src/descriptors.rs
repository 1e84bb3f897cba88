//! How many files and sockets a process may have open (getrlimit(2), `RLIMIT_NOFILE`).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as this process may, and tells what it is then. Many systems begin with 1,024, for the sake of programs
/// that use select(2).
///
/// Errors: why it stays as it is.
pub fn raise() -> std::io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(limit())
}

/// The limit as it is.
pub fn limit() -> u64 {
    // The kernel's way to say that there is none.
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_the_most_there_may_be() {
        let most = getrlimit(Resource::Nofile).maximum;
        let fewer = most.map(|most| most - 1);
        setrlimit(Resource::Nofile, Rlimit { current: fewer, maximum: most }).unwrap();
        assert_eq!(raise().unwrap(), most.unwrap_or(u64::MAX));
        assert_eq!(raise().unwrap(), limit());
        assert_eq!(getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum);
    }
}
