//! What the tests share: small tables written down in TOML ([`given`]), and a simulated world
//! ([`world`]).

pub mod given;
pub mod world;
