//! The two containers of a pod, put together: what Juju mounts, what the images bring.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::view::View;
use super::{STORAGE, WORKLOAD_ID, own_user};
use crate::parts;
use crate::pebble::Which;

/// What a pod's containers are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image<'a> {
    /// The pod's directory.
    pub(crate) pod: &'a Path,
    /// As in `synapse/0`.
    pub(crate) unit: &'a str,
    /// The workload container's name.
    pub(crate) container: &'a str,
}

impl Image<'_> {
    /// The charm container: the machine's network and process numbers, Juju's directories.
    pub(crate) fn charm(&self) -> Result<View> {
        let mut view = View::slim(&self.hostname())?;
        view.user();
        view.mount(&self.pod.join("var-lib-juju"), Path::new("/var/lib/juju"));
        view.mount(
            &self.pod.join("shared"),
            &Path::new("/charm/containers").join(self.container),
        );
        view.mount(&self.pod.join("data"), Path::new(STORAGE));
        view.mount(&self.pod.join("tmp-charm"), Path::new("/tmp"));
        view.show(&self.pod.join("etc/passwd"), Path::new("/etc/passwd"));
        view.show(&self.pod.join("etc/group"), Path::new("/etc/group"));
        for name in [
            "/etc/hosts",
            "/etc/resolv.conf",
            "/etc/nsswitch.conf",
            "/etc/gai.conf",
        ] {
            view.show_if_there(Path::new(name), Path::new(name));
        }
        view.option(["--bind", "/proc", "/proc", "--chdir", "/var/lib/juju"]);
        Ok(view)
    }

    /// The workload container: the stock image's Python and users, Pebble, a network and process numbers of its own.
    pub(crate) fn workload(&self, pebble: &Which) -> Result<View> {
        let mut view = View::slim(&self.hostname())?;
        view.user();
        view.python(&parts::synapse()?)?;
        view.show(pebble.path(), Path::new("/charm/bin/pebble"));
        view.mount(&self.pod.join("shared"), Path::new("/charm/container"));
        view.mount(&self.pod.join("data"), Path::new(STORAGE));
        view.mount(&self.pod.join("tmp-workload"), Path::new("/tmp"));
        for name in ["passwd", "group", "hosts"] {
            view.show(
                &self.pod.join("etc").join(name),
                &Path::new("/etc").join(name),
            );
        }
        view.option([
            "--unshare-net",
            "--unshare-pid",
            "--as-pid-1",
            "--proc",
            "/proc",
            "--chdir",
            "/",
        ]);
        for (name, value) in workload_environment(self.container) {
            view.option(["--setenv", name, &value]);
        }
        Ok(view)
    }

    /// The files below /etc that an image brings: users without one of number 991, as in the stock image.
    pub(crate) fn write_etc(&self) -> Result<()> {
        let etc = self.pod.join("etc");
        let mut users = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n".to_owned();
        if own_user().is_some() {
            // Without a line of its own Pebble does not see that it is that user, and fails to become it.
            users +=
                &format!("own:x:{WORKLOAD_ID}:{WORKLOAD_ID}::/nonexistent:/usr/sbin/nologin\n");
        }
        fs::write(etc.join("passwd"), users)?;
        fs::write(etc.join("group"), "root:x:0:\nnogroup:x:65534:\n")?;
        fs::write(
            etc.join("hosts"),
            format!("127.0.0.1 localhost {}\n::1 localhost\n", self.hostname()),
        )?;
        Ok(())
    }

    fn hostname(&self) -> String {
        self.unit.replace('/', "-")
    }
}

/// What a container of the stock image finds in its environment, and what Juju adds. There is no HOME.
pub(crate) fn workload_environment(container: &str) -> [(&'static str, String); 5] {
    [
        (
            "PATH",
            "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        ),
        ("LANG", "C.UTF-8".to_owned()),
        ("JUJU_CONTAINER_NAME", container.to_owned()),
        ("PEBBLE", "/charm/container/pebble".to_owned()),
        ("PEBBLE_SOCKET", "/charm/container/pebble.socket".to_owned()),
    ]
}
