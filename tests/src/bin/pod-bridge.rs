//! `pod-bridge PORT WORKLOAD [KEEPER]`: started by a pod in its workload's network namespace; see `harness::pod::Bridge`.

use anyhow::{Context, Result};
use harness::pod::Bridge;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| {
        words.get(place).map(|word| {
            word.parse::<i32>()
                .with_context(|| format!("{word} is no number"))
        })
    };
    let port = number(0).context("usage: pod-bridge PORT WORKLOAD [KEEPER]")??;
    let bridge = Bridge {
        port: u16::try_from(port).context("a port is expected")?,
        workload: number(1).context("the workload's process is missing")??,
        keeper: number(2).transpose()?,
    };
    bridge.run()
}
