//! What the service manager is told, where there is one: systemd's notification protocol
//! (`sd_notify(3)`). Without `NOTIFY_SOCKET` in the environment nothing happens.
//!
//! A manager that reads nothing makes who tells it something wait. That is a thread of its own, so that
//! reception goes on.

use sd_notify::NotifyState;
use std::io;
use std::sync::LazyLock;
use std::sync::mpsc::{self, SyncSender};
use std::time::{Duration, Instant};

/// Messages that may wait for the manager; beyond that it is not told.
const QUEUE: usize = 16;

/// The thread that tells the manager, if there is one.
static MANAGER: LazyLock<Option<SyncSender<String>>> = LazyLock::new(|| {
    std::env::var_os("NOTIFY_SOCKET")?;
    Some(start(|message| sd_notify::notify(&[NotifyState::Custom(message)])))
});

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
    if MANAGER.as_ref().is_some_and(|manager| manager.try_send(message(states)).is_err()) {
        tracing::warn!("the service manager does not listen: it is not told how it goes");
    }
}

/// One assignment a line.
fn message(states: &[NotifyState<'_>]) -> String {
    states.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Starts the thread that hands messages to `send`, in order.
fn start(send: impl Fn(&str) -> io::Result<()> + Send + 'static) -> SyncSender<String> {
    let (messages, waiting) = mpsc::sync_channel::<String>(QUEUE);
    std::thread::spawn(move || {
        for message in waiting {
            if let Err(error) = send(&message) {
                tracing::warn!("the service manager cannot be told how it goes: {error}");
            }
        }
    });
    messages
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
    fn messages_are_told_in_order_and_a_manager_that_does_not_listen_holds_nobody_up() {
        let (told, manager) = mpsc::sync_channel(0);
        let messages = start(move |message| told.send(message.to_owned()).map_err(io::Error::other));
        let taken = (0..100).filter(|number| messages.try_send(number.to_string()).is_ok()).count();
        // One more may be on its way.
        assert!((QUEUE..=QUEUE + 1).contains(&taken), "{taken}");
        let heard: Vec<_> = manager.iter().take(taken).collect();
        assert!(heard.is_sorted_by_key(|message| message.parse::<u32>().expect("a number")), "{heard:?}");
        assert_eq!(
            message(&[NotifyState::MonotonicUsec(7), NotifyState::Reloading]),
            "MONOTONIC_USEC=7\nRELOADING=1"
        );
    }

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
