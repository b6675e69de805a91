// SPDX-License-Identifier: GPL-2.0
//! inotify events.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::mount::open_at;
use crate::fixture::{io, pair, Fs, Pty};

cases! { "inotify":
    create_and_delete => "each new slave gives a create event, each closed master a delete event, in order",
    delete_comes_after_the_node => "when the delete event is there, the name is gone",
    create_comes_with_the_node => "when the create event is there, the node can be looked up",
    ptmx_is_silent => "opening, reading, writing and closing ptmx gives no event",
    slave_is_not => "opening, writing, reading and closing a slave give events",
    chmod_of_a_node => "chmod of a node gives an attribute event",
    watch_on_a_slave => "a watch on a slave itself ends when its last file is closed, not before",
    reuse_of_an_index => "a name that is used again gives create and delete each time",
    unmount => "umount gives an unmount event to a watch on the root",
}

struct Watch(Inotify);

impl Watch {
    fn on(path: &Path, events: AddWatchFlags) -> Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .context("inotify_init")?;
        inotify
            .add_watch(path, events)
            .context("inotify_add_watch")?;
        Ok(Self(inotify))
    }

    /// The next events, at least `count`, as (event, name).
    fn take(&self, count: usize) -> Result<Vec<(AddWatchFlags, String)>> {
        use std::os::fd::AsFd;
        let mut all = Vec::new();
        while all.len() < count {
            io::wait_for(&self.0.as_fd(), PollFlags::POLLIN)
                .with_context(|| format!("after {all:?}"))?;
            all.extend(self.now()?);
        }
        Ok(all)
    }

    /// The events that are there.
    fn now(&self) -> Result<Vec<(AddWatchFlags, String)>> {
        match self.0.read_events() {
            Ok(events) => Ok(events
                .into_iter()
                .map(|e| {
                    (
                        e.mask,
                        e.name
                            .map(|n| n.to_string_lossy().into_owned())
                            .unwrap_or_default(),
                    )
                })
                .collect()),
            Err(Errno::EAGAIN) => Ok(Vec::new()),
            Err(e) => Err(e).context("read events"),
        }
    }
}

const NAMES: AddWatchFlags = AddWatchFlags::IN_CREATE.union(AddWatchFlags::IN_DELETE);

fn named(events: &[(AddWatchFlags, &str)]) -> Vec<(AddWatchFlags, String)> {
    events.iter().map(|(e, n)| (*e, (*n).to_owned())).collect()
}

fn create_and_delete(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let watch = Watch::on(&fs.path, NAMES | AddWatchFlags::IN_MOVE)?;
    let (a, b) = (Pty::locked(&fs)?, Pty::locked(&fs)?);
    drop(a);
    drop(b);
    let (create, delete) = (AddWatchFlags::IN_CREATE, AddWatchFlags::IN_DELETE);
    check_eq!(
        named(&[(create, "0"), (create, "1"), (delete, "0"), (delete, "1")]),
        watch.take(4)?,
        "events"
    );
    Ok(())
}

fn delete_comes_after_the_node(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let watch = Watch::on(&fs.path, AddWatchFlags::IN_DELETE)?;
    for _ in 0..20 {
        let pty = Pty::open(&fs)?;
        let path = pty.path.clone();
        let closer = std::thread::spawn(move || drop(pty));
        watch.take(1)?;
        let opened = open_at(&path, OFlag::O_RDWR | OFlag::O_NOCTTY);
        closer
            .join()
            .map_err(|_| anyhow::anyhow!("the thread panicked"))?;
        check_errno(opened, Errno::ENOENT, "open by the watcher")?;
    }
    Ok(())
}

fn create_comes_with_the_node(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let watch = Watch::on(&fs.path, AddWatchFlags::IN_CREATE)?;
    for _ in 0..20 {
        let gate = std::sync::Arc::new(std::sync::Barrier::new(2));
        let opener = {
            let (fs, gate) = (fs.clone(), gate.clone());
            std::thread::spawn(move || -> Result<()> {
                let pty = Pty::locked(&fs)?;
                gate.wait();
                drop(pty);
                Ok(())
            })
        };
        let events = watch.take(1)?;
        let found = fs.stat(&events[0].1);
        gate.wait();
        opener
            .join()
            .map_err(|_| anyhow::anyhow!("the thread panicked"))??;
        check_eq!(
            libc::S_IFCHR,
            found.context("stat by the watcher")?.st_mode & libc::S_IFMT,
            "type"
        );
    }
    Ok(())
}

fn ptmx_is_silent(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let watch = Watch::on(&fs.join("ptmx"), AddWatchFlags::IN_ALL_EVENTS)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    io::write_all(&pty.master, b"hello\n")?;
    io::expect(&pty.master, b"hello\r\n")?;
    io::expect(&slave, b"hello\n")?;
    drop((slave, pty));
    check_eq!(named(&[]), watch.now()?, "events of ptmx");
    Ok(())
}

fn slave_is_not(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let watch = Watch::on(&pty.path, AddWatchFlags::IN_ALL_EVENTS)?;
    let slave = pty.slave()?;
    check_eq!(
        named(&[(AddWatchFlags::IN_OPEN, "")]),
        watch.take(1)?,
        "events of open"
    );
    io::write_all(&slave, b"x")?;
    check_eq!(
        named(&[(AddWatchFlags::IN_MODIFY, "")]),
        watch.take(1)?,
        "events of write"
    );
    io::write_all(&pty.master, b"y\n")?;
    io::expect_read(&slave, b"y\n")?;
    check_eq!(
        named(&[(AddWatchFlags::IN_ACCESS, "")]),
        watch.take(1)?,
        "events of read"
    );
    drop(slave);
    check_eq!(
        named(&[(AddWatchFlags::IN_CLOSE_WRITE, "")]),
        watch.take(1)?,
        "events of close"
    );
    Ok(())
}

fn chmod_of_a_node(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _pty = Pty::open(&fs)?;
    let watch = Watch::on(&fs.path, AddWatchFlags::IN_ATTRIB)?;
    for name in ["0", "ptmx"] {
        fs::set_permissions(fs.join(name), fs::Permissions::from_mode(0o600)).context("chmod")?;
        check_eq!(
            named(&[(AddWatchFlags::IN_ATTRIB, name)]),
            watch.take(1)?,
            "events"
        );
    }
    Ok(())
}

fn watch_on_a_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let watch = Watch::on(
        &pty.path,
        AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_ATTRIB,
    )?;
    drop(pty);
    check_eq!(named(&[]), watch.now()?, "events when the node goes");
    drop(slave);
    let end = named(&[
        (AddWatchFlags::IN_DELETE_SELF, ""),
        (AddWatchFlags::IN_IGNORED, ""),
    ]);
    check_eq!(end, watch.take(2)?, "events when the slave is closed");
    Ok(())
}

fn reuse_of_an_index(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let watch = Watch::on(&fs.path, NAMES)?;
    for _ in 0..10 {
        drop(Pty::locked(&fs)?);
    }
    let once = named(&[
        (AddWatchFlags::IN_CREATE, "0"),
        (AddWatchFlags::IN_DELETE, "0"),
    ]);
    let want: Vec<_> = std::iter::repeat_n(once, 10).flatten().collect();
    check_eq!(want, watch.take(20)?, "events");
    Ok(())
}

fn unmount(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let watch = Watch::on(&fs.path, NAMES | AddWatchFlags::IN_UNMOUNT)?;
    fs.umount().context("umount")?;
    let seen = watch.take(2)?;
    check!(
        seen.iter()
            .any(|(e, _)| e.contains(AddWatchFlags::IN_UNMOUNT)),
        "events: {seen:?}"
    );
    Ok(())
}
