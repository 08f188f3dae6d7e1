//! `demo`: tells the story. `demo --shell`: opens a shell in a model that is deployed, connected and in use;
//! `demo --empty-shell`: in a world that has only an S3 server.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use harness::demo::{Story, remarks};
use harness::parts;
use harness::world::World;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let outcome = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => tell(),
        ["--shell"] => shell(true),
        ["--empty-shell"] => shell(false),
        _ => Err(anyhow::anyhow!("usage: demo [--shell | --empty-shell]")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ndemo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    println!("{text}");
}

fn tell() -> Result<()> {
    remarks()?.iter().for_each(|remark| say(remark));
    let world = World::new()?.shown_by(say);
    Story::new(&world, say).run()?;
    world.finish()?;
    say(
        "\nThat was the whole story: deployed, used, saved, lost, restored. Nothing of it was left behind.",
    );
    Ok(())
}

fn shell(prepared: bool) -> Result<()> {
    remarks()?.iter().for_each(|remark| say(remark));
    let world = World::new()?.shown_by(say);
    if prepared {
        let story = Story::new(&world, say);
        story.deploy()?;
        story.connect()?;
        say(&format!(
            "\nSynapse answers at http://{}; `juju run synapse/leader create-backup` makes a backup.",
            world.pod("synapse/0")?.address()
        ));
    } else {
        world.juju(&["add-model", "demo"])?.success()?;
    }
    let store = world.store();
    say(&format!(
        "The S3 server: endpoint={} bucket={} access-key={} secret-key={}",
        store.fact("endpoint"),
        store.fact("bucket"),
        store.fact("access-key"),
        store.fact("secret-key")
    ));
    say("The objects are plain files:");
    say(&format!("    {}", store.bucket().display()));
    say("`juju help` lists what juju can do here. `exit` ends the model and removes everything.\n");

    let program = parts::program("juju")?;
    let directory = program.parent().unwrap_or(Path::new("/"));
    let mut path = directory.as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    // The shell's own end is no failure of ours, whatever its code.
    Command::new(env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into()))
        .current_dir(parts::workspace())
        .envs(world.environment())
        .env("PATH", path)
        .status()
        .context("failed to start a shell")?;
    world.finish()
}
