// SPDX-License-Identifier: GPL-2.0
//! What the tester knows of a case under way: which descriptors and nodes there are, and what they are.
//!
//! Learned from outcomes that were the same in both worlds. It only steers the choice of what to do next, so that most
//! operations make sense; it is no oracle, and may be wrong.

use std::collections::{BTreeMap, BTreeSet};

use crate::ops::files::Files;
use crate::ops::flags::OpenFlags;
use crate::select::{Class, Name};
use crate::under_way::UnderWay;
use crate::world::{mount_point, MOUNTS};

/// What a descriptor is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The master of a pty: mount, index.
    Master(usize, i64),
    /// The slave of a pty: mount, index.
    Slave(usize, i64),
    /// An epoll instance.
    Epoll,
    /// An inotify instance.
    Inotify,
    /// Something else.
    Other,
}

/// A descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// What it is of.
    pub kind: Kind,
    /// Whether there was something to read when last looked at.
    pub readable: bool,
    /// A number of the step that made it.
    token: u16,
}

/// More descriptors than this, and what would open one more closes one.
pub const CROWD: usize = 10;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The descriptors that the case opened.
    pub fds: BTreeMap<i32, Open>,
    /// Files that others were bound on.
    pub bound: BTreeSet<String>,
    /// Masters whose slaves may have been hung up.
    hung_up: BTreeSet<Kind>,
    /// What was written and not read.
    pub under_way: UnderWay,
    /// A number of the step under way.
    pub token: u16,
}

impl Model {
    /// Notes a descriptor.
    pub fn opened(&mut self, fd: i64, kind: Kind) {
        if let Ok(fd) = i32::try_from(fd) {
            let open = Open {
                kind,
                readable: false,
                token: self.token,
            };
            self.fds.insert(fd, open);
        }
    }

    /// Forgets a descriptor.
    pub fn closed(&mut self, fd: i32) {
        self.fds.remove(&fd);
    }

    /// Whether it is time to close something.
    pub fn crowded(&self) -> bool {
        self.fds.len() >= CROWD
    }

    /// The descriptors to look at after an operation: one of each end, by turns.
    pub fn watched(&self, turn: usize) -> Vec<i32> {
        let mut ends: BTreeMap<Kind, Vec<i32>> = BTreeMap::new();
        for (fd, open) in &self.fds {
            if matches!(open.kind, Kind::Master(..) | Kind::Slave(..)) {
                ends.entry(open.kind).or_default().push(*fd);
            }
        }
        ends.values().map(|fds| fds[turn % fds.len()]).collect()
    }

    /// What to do for want of an object: open a slave where a master has none, or a pty.
    pub fn opener(&self, n: u16) -> Files {
        let count =
            |fits: fn(&Kind) -> bool| self.fds.values().filter(|open| fits(&open.kind)).count();
        let masters = count(|kind| matches!(kind, Kind::Master(..)));
        let slaves = count(|kind| matches!(kind, Kind::Slave(..)));
        // Three of four do not wait.
        let flags = OpenFlags(
            libc::O_RDWR | libc::O_NOCTTY | if n % 4 == 0 { 0 } else { libc::O_NONBLOCK },
        );
        if masters > slaves {
            Files::Open {
                name: Name::Slave(n),
                flags,
            }
        } else {
            Files::NewPty {
                name: Name::Ptmx(if n % 8 == 0 { 1 } else { 0 }),
                flags,
            }
        }
    }

    /// A descriptor of an end.
    pub fn descriptor_of(&self, end: Kind) -> Option<i32> {
        let mut fds = self.fds.iter().filter(|(_, open)| open.kind == end);
        fds.next().map(|(fd, _)| *fd)
    }

    /// What a descriptor is of.
    pub fn end(&self, fd: i32) -> Option<Kind> {
        self.fds.get(&fd).map(|open| open.kind)
    }

    /// Whether a descriptor is of a master.
    pub fn is_master(&self, fd: i32) -> bool {
        let open = self.fds.get(&fd);
        open.is_some_and(|open| matches!(open.kind, Kind::Master(..)))
    }

    /// Notes what there was to see of an end, by one of its descriptors.
    pub fn saw(&mut self, fd: i32, events: i16, input: i32) {
        let Some(end) = self.fds.get(&fd).map(|open| open.kind) else {
            return;
        };
        self.under_way.seen(end, input);
        for open in self.fds.values_mut().filter(|open| open.kind == end) {
            open.readable = events & (libc::POLLIN | libc::POLLPRI | libc::POLLHUP) != 0;
        }
    }

    /// Notes that a slave may have been hung up, by one of its descriptors.
    pub fn hang_up(&mut self, fd: i32) {
        if let Some(Kind::Slave(m, i)) = self.fds.get(&fd).map(|open| open.kind) {
            self.hung_up.insert(Kind::Master(m, i));
        }
    }

    /// Whether a descriptor is of a master whose slave may have been hung up.
    ///
    /// What is written to it then waits until the slave has a line discipline again, and for something that makes a kernel
    /// thread look: the next write, or, in rdevpts, a reader.
    pub fn is_stranded(&self, fd: i32) -> bool {
        let open = self.fds.get(&fd);
        open.is_some_and(|open| self.hung_up.contains(&open.kind))
    }

    /// Notes a new pty.
    pub fn born(&mut self, mount: usize, index: i64) {
        let (master, slave) = (Kind::Master(mount, index), Kind::Slave(mount, index));
        self.under_way.none(master);
        self.under_way.none(slave);
        self.hung_up.remove(&master);
    }

    /// What a descriptor is, in words.
    pub fn describe(&self, fd: i32) -> String {
        match self.fds.get(&fd).map(|open| open.kind) {
            Some(Kind::Master(mount, index)) => format!("master {}/{index}", mount_point(mount)),
            Some(Kind::Slave(mount, index)) => format!("slave {}/{index}", mount_point(mount)),
            Some(kind) => format!("{kind:?}").to_lowercase(),
            None => "not open".to_owned(),
        }
    }

    /// The descriptor of a class whose token is next to `n`: which one that is does not depend on the others, so that a case
    /// means the same without the steps that made them.
    pub fn pick_fd(&self, class: Class, n: u16) -> Option<i32> {
        let fits = |open: &Open| match class {
            Class::Any => true,
            Class::Tty => matches!(open.kind, Kind::Master(..) | Kind::Slave(..)),
            Class::Master => matches!(open.kind, Kind::Master(..)),
            Class::Slave => matches!(open.kind, Kind::Slave(..)),
            Class::Readable => open.readable,
            Class::Epoll => open.kind == Kind::Epoll,
            Class::Inotify => open.kind == Kind::Inotify,
        };
        let fds = self.fds.iter().filter(|(_, open)| fits(open));
        let found = fds
            .min_by_key(|(_, open)| open.token.wrapping_sub(n))
            .map(|(fd, _)| *fd);
        match class {
            Class::Readable => found.or_else(|| self.pick_fd(Class::Tty, n)),
            _ => found,
        }
    }

    /// The path of the slave of a master that is open, chosen likewise.
    pub fn pick_slave(&self, n: u16) -> Option<String> {
        let master = self.pick_fd(Class::Master, n)?;
        match self.fds.get(&master)?.kind {
            Kind::Master(mount, index) => Some(format!("{}/{index}", mount_point(mount))),
            _ => None,
        }
    }

    /// The mount point of the `n`th mount; the first is chosen most.
    pub fn pick_mount(&self, n: u16) -> String {
        let n = usize::from(n) % (2 * MOUNTS);
        mount_point(if n < MOUNTS { n } else { 0 })
    }

    /// Which mount a path is below.
    pub fn mount_of(path: &str) -> usize {
        (0..MOUNTS)
            .find(|n| path.starts_with(&mount_point(*n)))
            .unwrap_or(0)
    }
}
