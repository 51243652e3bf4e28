//! What the service manager is told, where there is one: systemd's notification protocol
//! (`sd_notify(3)`). Without `NOTIFY_SOCKET` in the environment nothing happens.

use sd_notify::NotifyState;
use std::time::{Duration, Instant};

/// All sockets are bound and rows can be written; also after a reload.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The settings that SIGHUP is for are being read again; [`ready`] ends it.
pub fn reloading() {
    // Newer versions of systemd tell by the time which reload this belongs to.
    let since = NotifyState::monotonic_usec_now().ok();
    tell(&since.into_iter().chain([NotifyState::Reloading]).collect::<Vec<_>>());
}

/// The end has begun; sealing may take its time.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager cannot be told how it goes: {error}");
    }
}

/// Signs of life for a service manager that restarts what hangs (`WatchdogSec=`).
///
/// The receiving thread gives them, but only while the writer moves too: a sensor that receives
/// and cannot write is as good as dead, and its restart costs no row that is in the spool.
pub struct Watchdog {
    interval: Duration,
    given: Instant,
    beats: u64,
}

impl Watchdog {
    /// The watchdog that the environment asks for. Signs are given twice in the time that it allows.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        Some(Self { interval: sd_notify::watchdog_enabled()? / 2, given: Instant::now(), beats: 0 })
    }

    /// Gives a sign if it is time for one and `beats`, the writer's, have grown since the last.
    pub fn tick(&mut self, now: Instant, beats: u64) {
        if self.is_due(now, beats) {
            tell(&[NotifyState::Watchdog]);
        }
    }

    fn is_due(&mut self, now: Instant, beats: u64) -> bool {
        let due = now.duration_since(self.given) >= self.interval && beats != self.beats;
        if due {
            (self.given, self.beats) = (now, beats);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_life_come_in_time_and_only_while_the_writer_moves() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut watchdog = Watchdog { interval: Duration::from_secs(10), given: start, beats: 0 };
        assert!(!watchdog.is_due(after(9), 7), "too early");
        assert!(watchdog.is_due(after(10), 8));
        assert!(!watchdog.is_due(after(60), 8), "the writer hangs");
        assert!(watchdog.is_due(after(61), 9), "it moves again");
    }
}
