//! Where every datagram went.
//!
//! `received = events + flooding + flooding_uncounted + not_selected + denied + responses_matched +
//! responses_unmatched + errors_matched + errors_unmatched`, and `events = rows recorded + rows lost`,
//! each loss with its reason; so for `flooding` and what the counts of floods add up to. What the
//! kernel threw away before we could read it is counted beside that.

/// Declares counters that start at zero and can be listed by name.
macro_rules! counters {
    ($(#[doc = $about:literal])+ $type:ident { $( $(#[doc = $doc:literal])+ $name:ident, )* }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $type {
            $( $(#[doc = $doc])+ pub $name: u64, )*
        }

        impl $type {
            /// Name and value of each counter, in order.
            #[must_use]
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$( (stringify!($name), self.$name), )*]
            }
        }
    };
}

counters! {
    /// What the antenna did with what it was given, in datagrams.
    Counters {
        /// Datagrams taken from the sockets.
        received,
        /// Queries and undecodable datagrams: each of them is a row of `captured.events`.
        events,
        /// The same from sources over their limit of events: they are in the counts of
        /// `captured.floods`.
        flooding,
        /// The same when there was no room for another count.
        flooding_uncounted,
        /// Queries and undecodable datagrams that the setting `record` leaves out.
        not_selected,
        /// Datagrams from networks on the deny list, unread.
        denied,
        /// Responses to a query of ours.
        responses_matched,
        /// Responses that nobody asked for, or too late.
        responses_unmatched,
        /// Error messages in answer to a query of ours.
        errors_matched,
        /// Error messages that nobody asked for.
        errors_unmatched,
        /// Answers sent, error messages among them.
        answers_sent,
        /// Answers not sent because the remote had used up its budget.
        answers_withheld,
        /// Queries that cannot be answered: undecodable, no transaction id, no sender id, no room.
        events_unanswerable,
        /// Pings sent.
        pings_sent,
        /// find_node queries for our own ids sent.
        find_nodes_sent,
        /// Queries of ours that got no answer in time.
        queries_unanswered,
    }
}

counters! {
    /// What happened at the sockets.
    SocketCounters {
        /// UDP payload received, bytes.
        bytes_received,
        /// UDP payload that the kernel took from us to send, bytes.
        bytes_sent,
        /// Datagrams that the kernel dropped because a receive buffer was full.
        kernel_drops,
        /// Packets that the kernel did not take from us.
        sends_failed,
    }
}

counters! {
    /// What became of the rows of `captured.events` and the counts of `captured.floods`.
    RowCounters {
        /// Rows of events in the spool.
        recorded,
        /// Rows lost because the writer could not keep up.
        lost_queue_full,
        /// Rows lost because they could not be written.
        lost_storage,
        /// Datagrams in counts that are in the spool; those since the last sync are not yet.
        floods_recorded,
        /// Datagrams in counts that could not be written.
        floods_lost_storage,
    }
}

impl RowCounters {
    /// Rows of events that were recorded or lost; the others are on their way.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.recorded + self.lost()
    }

    /// Rows of events that were lost, for whatever reason.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost_queue_full + self.lost_storage
    }
}

impl Counters {
    /// Datagrams received and not accounted for: zero, or there is a mistake.
    #[must_use]
    pub fn unaccounted(&self) -> i128 {
        let accounted = [
            self.events,
            self.flooding,
            self.flooding_uncounted,
            self.not_selected,
            self.denied,
            self.responses_matched,
            self.responses_unmatched,
            self.errors_matched,
            self.errors_unmatched,
        ];
        i128::from(self.received) - accounted.into_iter().map(i128::from).sum::<i128>()
    }
}

/// The counters as one line of `name=value`.
#[must_use]
pub fn line(lists: &[Vec<(&'static str, u64)>]) -> String {
    lists.iter().flatten().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}
