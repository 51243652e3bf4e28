//! The `mainline` crate on one loopback address: looks up, announces, gets and puts until its time
//! is over. It is told `ADDRESS PORT SECONDS CONTACT…`, and fails when no announce was acknowledged.

use anyhow::{Context, Result, ensure};
use mainline::{Dht, Id, MutableItem, SigningKey};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Time between two requests: each is dozens of datagrams, and who sends many gets few answers.
const PAUSE: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("usage: mainline_peer ADDRESS PORT SECONDS CONTACT…");
    let address: Ipv4Addr = next()?.parse()?;
    let port: u16 = next()?.parse()?;
    let ends = Instant::now() + Duration::from_secs_f64(next()?.parse()?);
    let contacts: Vec<String> = arguments.collect();

    let mut builder = Dht::builder();
    builder.bind_address(address).port(port).server_mode().bootstrap(&contacts);
    let dht = builder.build()?.as_async();

    let key = SigningKey::from_bytes(&[7; 32]);
    let mut acknowledged = 0;
    let mut step = 0;
    while Instant::now() < ends {
        // Each of them is a lookup first. What nobody has is not found, and that is no failure.
        let id = Id::random();
        match step % 5 {
            0 => drop(dht.find_node(id).await),
            1 => acknowledged += usize::from(dht.announce_peer(id, Some(port)).await.is_ok()),
            2 => drop(dht.get_immutable(id).await),
            3 => acknowledged += usize::from(dht.announce_peer(id, None).await.is_ok()),
            _ => drop(dht.put_mutable(MutableItem::new(key.clone(), id.as_bytes(), step, None), None).await),
        }
        step += 1;
        tokio::time::sleep(PAUSE).await;
    }
    ensure!(acknowledged > 0, "mainline: no announce was acknowledged");
    Ok(())
}
