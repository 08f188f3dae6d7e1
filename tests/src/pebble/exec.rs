//! Commands run for a client: what is asked for, and the answer before anything runs.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::duration::Span;
use super::environment;
use super::faults::{Faults, Meter};
use super::plan::Plan;
use super::process::{Program, look_up, sentence};
use super::reply::{self, Refusal, Reply};
use super::request::Object;
use super::running::Running;
use super::server::Server;
use super::session::Session;
use super::users::{self, Owner, Whom};

/// An exec that has passed all that can be checked before.
struct Order {
    program: Program,
    directory: String,
    split_stderr: bool,
    timeout: Option<Span>,
}

impl Server {
    /// Notes an exec as a change, and waits for its websockets in the background.
    pub(crate) fn post_exec(self: &Arc<Self>, request: &Object) -> Result<Reply, Refusal> {
        let order = Order::read(request, &self.plan())?;
        let name = order.program.arguments.first().cloned().unwrap_or_default();
        let summary = format!("Execute command {name:?}");
        let (change, tasks) =
            self.changes
                .begin("exec", &summary, &[], &[("exec", summary.clone())]);
        let task = tasks.into_iter().next().unwrap_or_default();
        let result = json!({
            "task-id": task,
            "environment": order.program.environment,
            "working-dir": order.directory,
        });
        let session = Session::new(order.split_stderr);
        self.sessions
            .lock()
            .insert(task.clone(), Arc::clone(&session));
        let meter = Meter::new(Faults::read().for_command(&name));
        let running = Running::new(
            Arc::clone(self),
            task,
            session,
            order.program,
            order.timeout,
            meter,
        );
        tokio::spawn(running.run());
        Ok(reply::accepted(&change, result))
    }
}

impl Order {
    fn read(request: &Object, plan: &Plan) -> Result<Self, Refusal> {
        let wrong = |error: String| Refusal::bad(format!("cannot decode request body: {error}"));
        let command: Vec<String> = request.field("command").map_err(wrong)?;
        let whom = Whom {
            user_id: request.field("user-id").map_err(wrong)?,
            user: request.field("user").map_err(wrong)?,
            group_id: request.field("group-id").map_err(wrong)?,
            group: request.field("group").map_err(wrong)?,
        };
        let asked: BTreeMap<String, String> = request.field("environment").map_err(wrong)?;
        let directory: String = request.field("working-dir").map_err(wrong)?;
        let timeout: String = request.field("timeout").map_err(wrong)?;
        let context: String = request.field("service-context").map_err(wrong)?;
        let flag = |name: &str| request.field::<bool>(name).map_err(wrong);
        let (terminal, interactive, split_stderr) = (
            flag("terminal")?,
            flag("interactive")?,
            flag("split-stderr")?,
        );

        let name = command
            .first()
            .ok_or_else(|| Refusal::bad("must specify command"))?;
        let timeout = Span::parse_optional(&timeout)
            .map_err(|error| Refusal::bad(format!("invalid timeout: {error}")))?;
        look_up(name).ok_or_else(|| Refusal::bad(format!("cannot find executable {name:?}")))?;
        let (whom, asked, directory) = borrow(plan, &context, whom, asked, directory)?;
        let owner = whom.resolve().map_err(Refusal::bad)?;
        let cannot = |why: String| Refusal::new(500, format!("cannot call exec: {why}"));
        if interactive && !terminal {
            return Err(cannot(
                "cannot use interactive mode without a terminal".to_owned(),
            ));
        }
        if terminal {
            return Err(cannot("the stand-in has no terminals".to_owned()));
        }
        let environment = complete(asked, owner);
        let directory = directory_of(&directory, &environment).map_err(cannot)?;
        let program = Program {
            arguments: command,
            environment,
            directory: Some(PathBuf::from(&directory)),
            owner,
            session: true,
        };
        Ok(Self {
            program,
            directory,
            split_stderr,
            timeout,
        })
    }
}

/// Takes from a service what the request does not say itself.
fn borrow(
    plan: &Plan,
    context: &str,
    whom: Whom,
    asked: BTreeMap<String, String>,
    directory: String,
) -> Result<(Whom, BTreeMap<String, String>, String), Refusal> {
    if context.is_empty() {
        return Ok((whom, asked, directory));
    }
    let service = plan.services.get(context);
    let service =
        service.ok_or_else(|| Refusal::bad(format!("context service {context:?} not found")))?;
    let mut environment = service.environment.clone();
    environment.extend(asked);
    let theirs = service.working_dir.clone().unwrap_or_default();
    let directory = if directory.is_empty() {
        theirs
    } else {
        directory
    };
    Ok((whom.over(&service.whom()), environment, directory))
}

/// The daemon's environment with the request's over it, and what must be there filled in.
fn complete(asked: BTreeMap<String, String>, owner: Option<Owner>) -> BTreeMap<String, String> {
    let mut environment = environment::own();
    let user_id = owner.map_or(Owner::own().user_id, |owner| owner.user_id);
    if user_id != Owner::own().user_id {
        environment.remove("HOME");
        environment.remove("USER");
    }
    environment.extend(asked);
    let default = |name: &str, value: &str, environment: &mut BTreeMap<String, String>| {
        environment
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    };
    default(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        &mut environment,
    );
    default("LANG", "C.UTF-8", &mut environment);
    if let Some(user) = users::by_id(user_id) {
        for (name, value) in [("HOME", user.home), ("USER", user.name)] {
            if environment.get(name).is_none_or(String::is_empty) {
                environment.insert(name.to_owned(), value);
            }
        }
    }
    environment
}

fn directory_of(asked: &str, environment: &BTreeMap<String, String>) -> Result<String, String> {
    let home = environment.get("HOME").map_or("", String::as_str);
    let (what, directory) = match (asked, home) {
        ("", "") => return Ok("/".to_owned()),
        ("", home) => ("home directory", home),
        (asked, _) => ("working directory", asked),
    };
    match Path::new(directory).metadata() {
        Ok(facts) if facts.is_dir() => Ok(directory.to_owned()),
        Ok(_) => Err(format!("{what} {directory:?} not a directory")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(format!("{what} {directory:?} does not exist"))
        }
        Err(error) => Err(format!(
            "cannot stat {what} {directory:?}: {}",
            sentence(&error)
        )),
    }
}
