//! The addresses of the bootstrap hosts, as their names resolve.
//!
//! Every host is looked up on its own: one that does not resolve, or takes long, holds up no other,
//! and is tried again until it does.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;

/// Waiting time before a name is looked up again, doubled each time up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// Begins to look up `hosts` (`host:port`) on the tasks of this thread. What comes out are the
/// addresses of one host at a time.
#[must_use]
pub fn resolve(hosts: &[String]) -> mpsc::Receiver<Vec<SocketAddr>> {
    let (send, receive) = mpsc::channel(hosts.len().max(1));
    for host in hosts {
        let (host, send) = (host.clone(), send.clone());
        tokio::task::spawn_local(async move {
            let lookup = async || tokio::net::lookup_host(&host).await.map(Iterator::collect);
            let addresses = until_found(&host, FIRST_RETRY, lookup).await;
            // Nobody listens only when the sensor is about to stop.
            let _ = send.send(addresses).await;
        });
    }
    receive
}

/// The first addresses that `lookup` finds; `wait` after a failure, then ever longer.
async fn until_found(
    host: &str,
    mut wait: Duration,
    lookup: impl AsyncFn() -> io::Result<Vec<SocketAddr>>,
) -> Vec<SocketAddr> {
    loop {
        match lookup().await {
            Ok(addresses) if !addresses.is_empty() => return addresses,
            Ok(_) => tracing::warn!("bootstrap host {host} has no address; next try in {wait:?}"),
            Err(error) => tracing::warn!("bootstrap host {host}: {error}; next try in {wait:?}"),
        }
        tokio::time::sleep(wait).await;
        wait = (2 * wait).min(LONGEST_RETRY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, future)
    }

    #[test]
    fn a_name_that_fails_is_looked_up_until_it_resolves() {
        let address = SocketAddr::from(([127, 0, 0, 1], 6881));
        let tries = Cell::new(0);
        let lookup = async || {
            tries.set(tries.get() + 1);
            match tries.get() {
                1 => Err(io::Error::other("no name server")),
                2 => Ok(Vec::new()),
                _ => Ok(vec![address]),
            }
        };
        let found = run(until_found("host:6881", Duration::from_millis(1), lookup));
        assert_eq!((found, tries.get()), (vec![address], 3));
    }

    #[test]
    fn a_host_without_a_name_is_found_beside_one_that_never_resolves() {
        let hosts = ["name.invalid:6881", "127.0.0.1:6881", "[::1]:6881"].map(str::to_owned);
        run(async {
            let mut resolved = resolve(&hosts);
            let mut found = Vec::new();
            while found.len() < 2 {
                found.extend(resolved.recv().await.expect("one host goes on failing"));
            }
            found.sort();
            assert_eq!(found, ["127.0.0.1:6881", "[::1]:6881"].map(|host| host.parse().expect("an address")));
        });
    }
}
