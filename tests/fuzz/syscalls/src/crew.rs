// SPDX-License-Identifier: GPL-2.0
//! The processes of one round: the first process of a PID namespace, and the workers that it makes and makes again.

use std::ffi::CString;
use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use nix::mount::{mount, MsFlags};

use crate::shared::Shared;
use crate::worker::{Role, Worker};

/// What a round is about.
pub struct Plan {
    /// The directory with the mounts `a` and `b`, `c`, where nothing is mounted, and debugfs on `debug`.
    pub base: String,
    /// The type of the file system.
    pub fstype: CString,
    /// Where the file system's limits are.
    pub sysctl: String,
    /// How many workers.
    pub processes: usize,
    /// A pair of datagram sockets.
    pub sockets: [i32; 2],
    /// Chooses all calls.
    pub seed: u64,
    /// How long.
    pub time: Duration,
    /// A memory cgroup to go into.
    pub cgroup: Option<String>,
}

extern "C" fn nothing(_: i32) {}

/// Makes `signal` interrupt calls, and do no more. Returns what was there before.
pub fn handle(signal: i32) -> libc::sighandler_t {
    // SAFETY: the structures are ours, and the handler does nothing.
    unsafe {
        let mut new: libc::sigaction = std::mem::zeroed();
        new.sa_sigaction = nothing as extern "C" fn(i32) as libc::sighandler_t;
        let mut old = new;
        match libc::sigaction(signal, &new, &mut old) {
            0 => old.sa_sigaction,
            _ => libc::SIG_ERR,
        }
    }
}

/// Clones the first process. Returns its id to the caller.
pub fn spawn(plan: &'static Plan, shared: &'static Shared) -> i64 {
    let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::SIGCHLD;
    // SAFETY: without CLONE_VM this is a fork, of a process with one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if pid == 0 {
        lead(plan, shared);
    }
    pid
}

/// Is the first process: makes workers until the time is over, then kills what there is.
fn lead(plan: &'static Plan, shared: &'static Shared) -> ! {
    let end = Instant::now() + plan.time;
    let none = None::<&str>;
    // What one worker mounts others see; whoever looks on does not.
    let _ = mount(
        none,
        plan.base.as_str(),
        none,
        MsFlags::MS_SHARED | MsFlags::MS_REC,
        none,
    );
    if let Some(cgroup) = &plan.cgroup {
        let _ = fs::write(format!("{cgroup}/cgroup.procs"), "0");
    }
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
    // SAFETY: calls on this process alone, with a set of our own; after fork(), the child goes its own way.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // Stopped workers may be left in an orphaned process group, and all in it are sent SIGHUP: not to be that of who looks on.
        libc::setsid();
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        (0..3).for_each(|fd| _ = libc::dup2(null, fd));
        let mut child: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&mut child, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, &child, std::ptr::null_mut());

        let mut generation = 0;
        while Instant::now() < end {
            for id in 0..plan.processes {
                if shared.pids[id].load(Relaxed) == 0 {
                    generation += 1;
                    match libc::fork() {
                        0 => work(plan, shared, id, generation),
                        pid => shared.pids[id].store(pid.max(0), Relaxed),
                    }
                }
            }
            let time = libc::timespec {
                tv_sec: 0,
                tv_nsec: 100_000_000,
            };
            libc::sigtimedwait(&child, std::ptr::null_mut(), &time);
            // Whoever was stopped goes on.
            libc::kill(-1, libc::SIGCONT);
            loop {
                let ended = libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG);
                if ended <= 0 {
                    break;
                }
                for pid in shared.pids.iter().filter(|pid| pid.load(Relaxed) == ended) {
                    pid.store(0, Relaxed);
                    shared.replaced.fetch_add(1, Relaxed);
                }
            }
        }
        libc::kill(-1, libc::SIGKILL);
        while libc::waitpid(-1, std::ptr::null_mut(), 0) > 0 {}
        libc::_exit(0);
    }
}

/// Is worker `id`.
fn work(plan: &'static Plan, shared: &'static Shared, id: usize, generation: u64) -> ! {
    let seed = plan.seed ^ ((id as u64) << 48) ^ (generation << 32);
    let _ = fs::write("/proc/self/oom_score_adj", "0");
    limit(libc::RLIMIT_CORE, 0);
    limit(libc::RLIMIT_NOFILE, 600);
    // SAFETY: calls on this process alone; the set and the structure are ours.
    unsafe {
        let none: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
    let mut worker = Worker::new(plan, shared, id, seed);
    for signal in (1..libc::SIGSYS).chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
        // Faults end it; who goes on all the time is not to be interrupted by that.
        let own = matches!(
            signal,
            libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGCONT
        );
        if !own && (signal == libc::SIGALRM || worker.percent(85)) {
            handle(signal);
        }
    }
    become_role(worker.role);
    worker.memory.serve(shared, seed);
    // No call waits for longer than that.
    let interval = libc::timeval {
        tv_sec: 0,
        tv_usec: worker.rng.i64(8_000..80_000),
    };
    let timer = libc::itimerval {
        it_interval: interval,
        it_value: interval,
    };
    // SAFETY: the structure is ours.
    unsafe { libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const timer, 0) };
    worker.begin();
    for _ in 0..worker.rng.u32(200..4000) {
        worker.step();
    }
    // SAFETY: ends the process, with all it has under way.
    unsafe { libc::_exit(0) }
}

fn limit(resource: libc::__rlimit_resource_t, max: u64) {
    let limit = libc::rlimit {
        rlim_cur: max,
        rlim_max: max,
    };
    // SAFETY: the structure is ours.
    unsafe { libc::setrlimit(resource, &limit) };
}

/// Gives up the privileges that the role has not.
fn become_role(role: Role) {
    let (user, namespaced) = match role {
        Role::Root => return,
        Role::User(user) => (user, false),
        Role::Namespaced(user) => (user, true),
    };
    let tty = 5;
    // SAFETY: calls on this process alone, which has one thread.
    unsafe {
        if libc::setgroups(1, &tty) != 0
            || libc::setresgid(user, user, user) != 0
            || libc::setresuid(user, user, user) != 0
        {
            libc::_exit(1);
        }
        // Its files in /proc are its own again.
        libc::prctl(libc::PR_SET_DUMPABLE, 1);
        if namespaced && libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) == 0 {
            let _ = fs::write("/proc/self/setgroups", "deny");
            let _ = fs::write("/proc/self/uid_map", format!("0 {user} 1"));
            let _ = fs::write("/proc/self/gid_map", format!("0 {user} 1"));
        }
    }
}
