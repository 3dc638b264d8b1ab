//! What those are called that findings are about.

use std::cell::RefCell;

use crate::attribution::{Classifier, Facts, Owner};
use crate::cli::owners::{Around, People};
use crate::diagnosis::Example;
use crate::model::{Role, Socket};
use crate::report::{Naming, Processes};

/// Names of one namespace's sockets.
pub(super) struct Names<'a> {
    pub(super) classifier: RefCell<&'a mut Classifier>,
    pub(super) people: &'a People,
    /// Processes are to be named.
    pub(super) with_processes: bool,
}

/// As much of a socket as names need.
pub(super) fn socket(example: &Example) -> Socket {
    Socket {
        cookie: example.cookie,
        state: example.state,
        local: example.local,
        remote: example.remote,
        interface: example.interface,
        uid: example.uid,
        inode: example.inode,
        cgroup_id: example.cgroup_id,
        ..Socket::BLANK
    }
}

/// As the classifier wants an owner.
pub(super) fn owner<'a>(around: &'a Around<'_>) -> Owner<'a> {
    Owner {
        process: around.process(),
        unit: around.unit.as_deref(),
        container: around.container.as_deref(),
        cgroup: around.cgroup_path,
    }
}

impl Naming for Names<'_> {
    fn service(&self, example: &Example) -> String {
        let socket = socket(example);
        let around = self.people.around(&socket);
        let facts = Facts {
            local: socket.local,
            remote: socket.remote,
            role: example.role,
            owner: owner(&around),
        };
        let mut classifier = self.classifier.borrow_mut();
        let id = classifier.classify(&facts);
        let port =
            if example.role == Role::Client { socket.remote.port } else { socket.local.port };
        classifier.key(id).map_or_else(|| format!(":{port}"), |key| key.label().into_owned())
    }

    fn processes(&self, example: &Example) -> Vec<(u32, String)> {
        if !self.with_processes {
            return Vec::new();
        }
        match self.people.around(&socket(example)).processes() {
            Processes::Known(holders) => {
                holders.iter().map(|holder| (holder.pid, holder.comm.to_owned())).collect()
            }
            Processes::NotAsked | Processes::Hidden => Vec::new(),
        }
    }
}
