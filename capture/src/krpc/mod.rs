//! KRPC, the message format of the DHT (BEP 5, 32, 33, 43, 44, 51): bytes in, bytes out, no state.
//!
//! Reading never fails: [`decode()`] returns what a datagram says together with what was wrong with
//! it. Writing is limited by its types: [`Outbound`] has no way to say get_peers or announce_peer.

pub mod compact;
pub mod decode;
pub mod encode;
mod lenient;
pub mod message;
pub mod method;

pub use decode::decode;
pub use encode::{Encoder, Failure, Outbound, Packet, Reply};
pub use message::{Flaw, Kind, Message, Want};
pub use method::{Method, Methods};

/// Nesting that no real message comes near; deeper ones are refused.
const MAX_DEPTH: usize = 16;
