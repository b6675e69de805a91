// SPDX-License-Identifier: GPL-2.0
//! Programs that users run, with the file system under test on /dev/pts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Child;

use anyhow::{Context, Result};
use nix::mount::{mount, MsFlags};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::ioctl;
use crate::fixture::program::Host;
use crate::fixture::wait::until;

cases! { "programs":
    script => "script runs a command on a terminal and records what it prints",
    script_interactive => "script passes on what is typed to it",
    python_pty_spawn => "python's pty.spawn runs a command on a terminal",
    python_pty_fork => "python's pty.fork and os.ttyname agree, and the child has a controlling terminal",
    tmux => "tmux runs a shell in a window and shows what it prints",
    tmux_attached => "tmux, attached to on a terminal, passes keys and window size",
    ssh => "ssh -tt to a local sshd gives a terminal, with input, window size and interrupt",
    shell_job_control => "an interactive shell stops, lists and resumes jobs",
    stty => "stty shows and changes settings and size",
    tty => "tty prints the slave's path",
    ps => "ps shows the terminal of a process, and finds processes by it",
}

fn script(ctx: &Ctx) -> Outcome {
    let host = Host::new(ctx, &["script", "tty", "stty"])?;
    let record = host.file("typescript");
    let commands = "tty; test -t 0 && test -t 1 && echo both; stty size; exit 7";
    let mut script = host.command("script");
    script.args(["-q", "-e", "-c", commands]).arg(&record);
    let output = script.output().context("script")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    check_eq!(
        Some(7),
        output.status.code(),
        "exit status, with the output {text:?}"
    );
    check_eq!("/dev/pts/0\r\nboth\r\n0 0\r\n", text, "output");
    let record = fs::read_to_string(&record).context("the typescript")?;
    check!(
        record.contains("/dev/pts/0\r\nboth\r\n"),
        "typescript: {record:?}"
    );
    check_eq!(
        vec!["ptmx".to_owned()],
        host.fs.names()?,
        "names afterwards"
    );
    Ok(())
}

fn script_interactive(ctx: &Ctx) -> Outcome {
    let host = Host::new(ctx, &["script", "tty"])?;
    let mut screen =
        host.on_pty(
            host.command("script")
                .args(["-q", "-c", "/bin/sh -i", "/dev/null"]),
        )?;
    screen.types("tty; echo $((6 * 7))\n")?;
    // The inner terminal is the second pty.
    screen.shows("/dev/pts/1\r\n42\r\n")?;
    screen.types("exit 3\n")?;
    check!(screen.ends()?.success(), "script failed");
    Ok(())
}

fn python_pty_spawn(ctx: &Ctx) -> Outcome {
    let host = Host::new(ctx, &["python3", "tty"])?;
    let code = "import pty, sys, os; s = pty.spawn(['/bin/sh', '-c', 'tty; test -t 0 && echo terminal; exit 5']); \
                print('status', os.waitstatus_to_exitcode(s))";
    let text = host.output(host.command("python3").args(["-c", code]))?;
    check_eq!("/dev/pts/0\r\nterminal\r\nstatus 5\n", text, "output");
    Ok(())
}

fn python_pty_fork(ctx: &Ctx) -> Outcome {
    let host = Host::new(ctx, &["python3"])?;
    let code = r#"
import os, pty, sys, termios, fcntl, struct
pid, master = pty.fork()
if pid == 0:
    rows, cols = os.get_terminal_size(0)[::-1]
    with open('/dev/tty', 'w') as tty:
        print(os.ttyname(0), sys.stdin.readline().strip(), os.getsid(0) == os.getpid(), file=tty)
    os._exit(0)
os.write(master, b'typed\n')
text = b''
while True:
    try:
        part = os.read(master, 1000)
    except OSError as e:
        text += e.strerror.encode()
        break
    if not part:
        break
    text += part
os.waitpid(pid, 0)
sys.stdout.buffer.write(text)
"#;
    let text = host.output(host.command("python3").args(["-c", code]))?;
    check_eq!(
        "typed\r\n/dev/pts/0 typed True\r\nInput/output error",
        text,
        "output"
    );
    Ok(())
}

/// tmux, with a server of its own.
fn tmux_command(host: &Host) -> std::process::Command {
    let mut command = host.command("tmux");
    command.args(["-L", "suite", "-f", "/dev/null"]);
    command
}

fn tmux(ctx: &Ctx) -> Outcome {
    let host = Host::new(ctx, &["tmux", "tty"])?;
    let run = |args: &[&str]| {
        host.output(tmux_command(&host).args(args))
            .with_context(|| format!("tmux {args:?}"))
    };
    run(&[
        "new-session",
        "-d",
        "-x",
        "80",
        "-y",
        "24",
        "exec /bin/sh -i",
    ])?;
    run(&["send-keys", "tty; stty size; echo $((6 * 7))", "Enter"])?;
    let mut shown = String::new();
    until("the shell's output", || {
        shown = run(&["capture-pane", "-p"])?;
        Ok(shown.lines().any(|l| l.trim().ends_with("42")))
    })
    .with_context(|| format!("the window shows:\n{shown}"))?;
    check!(
        shown.lines().any(|l| l.trim().ends_with("/dev/pts/0")),
        "no /dev/pts/0 in:\n{shown}"
    );
    check_eq!(
        "/dev/pts/0",
        run(&["display-message", "-p", "#{pane_tty}"])?.trim(),
        "pane_tty"
    );
    run(&["split-window", "-d", "exec /bin/sh -i"])?;
    check_eq!(
        "/dev/pts/0\n/dev/pts/1\n",
        run(&["list-panes", "-F", "#{pane_tty}"])?,
        "terminals of two panes"
    );
    run(&["kill-server"])?;
    until("the terminals to go", || Ok(host.fs.names()? == ["ptmx"]))
}

fn tmux_attached(ctx: &Ctx) -> Outcome {
    let host = Host::new(ctx, &["tmux", "stty"])?;
    let mut client = tmux_command(&host);
    let mut screen = host.on_pty(client.args(["new-session", "exec /bin/sh -i"]))?;
    ioctl::set_winsize(screen.master(), [30, 100, 0, 0]).context("TIOCSWINSZ")?;
    screen.types("echo $((6 * 7))-shown\n")?;
    screen.shows("42-shown")?;
    // One line of the window is tmux's own.
    until("tmux to take the size over", || {
        let size = tmux_command(&host)
            .args(["display-message", "-p", "#{pane_width}x#{pane_height}"])
            .output()?;
        Ok(String::from_utf8_lossy(&size.stdout).trim() == "100x29")
    })?;
    screen.types("stty size; echo done-$((1 + 1))\n")?;
    screen.shows("29 100")?;
    screen.shows("done-2")?;
    screen.types("\x02d")?;
    screen.shows("detached")?;
    check!(screen.ends()?.success(), "the client failed");
    host.output(tmux_command(&host).arg("kill-server"))
        .map(drop)
}

/// A running sshd, killed at the end.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts an sshd on a network of the case's own, for a key in the case's directory.
fn sshd(host: &Host) -> Result<Daemon> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).context("unshare the network")?;
    loopback_up().context("loopback")?;
    mount(
        Some("tmpfs"),
        "/run",
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=755"),
    )
    .context("tmpfs on /run")?;
    fs::create_dir("/run/sshd").context("mkdir /run/sshd")?;
    for name in ["host_key", "user_key"] {
        host.output(
            host.command("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(host.file(name)),
        )?;
    }
    fs::copy(host.file("user_key.pub"), host.file("authorized")).context("authorized keys")?;
    let config = format!(
        "Port 2222\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
         PermitRootLogin yes\nPidFile none\nPrintMotd no\nPrintLastLog no\nUseDNS no\n",
        host.file("host_key").display(),
        host.file("authorized").display()
    );
    fs::write(host.file("sshd_config"), config).context("sshd_config")?;
    fs::set_permissions(host.file("host_key"), fs::Permissions::from_mode(0o600))?;
    let log = fs::File::create(host.file("sshd.log")).context("log")?;
    let mut command = host.command("sshd");
    command
        .args(["-D", "-e", "-f"])
        .arg(host.file("sshd_config"))
        .stdout(log.try_clone()?)
        .stderr(log);
    let daemon = Daemon(command.spawn().context("sshd")?);
    until("sshd to listen", || {
        Ok(std::net::TcpStream::connect("127.0.0.1:2222").is_ok())
    })
    .with_context(|| fs::read_to_string(host.file("sshd.log")).unwrap_or_default())?;
    Ok(daemon)
}

/// Brings the loopback interface up.
fn loopback_up() -> Result<()> {
    use std::os::fd::AsRawFd;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").context("socket")?;
    // SAFETY: the struct is plain data, and the one that the requests want.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        nix::errno::Errno::result(libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS,
            &request,
        ))
        .context("SIOCSIFFLAGS")?;
    }
    Ok(())
}

fn ssh(ctx: &Ctx) -> Outcome {
    let host = Host::new(ctx, &["ssh", "sshd", "ssh-keygen", "tty", "stty"])?;
    let _daemon = sshd(&host)?;
    let mut client = host.command("ssh");
    client.args([
        "-tt",
        "-F",
        "/dev/null",
        "-p",
        "2222",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
    ]);
    client
        .args([
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            "-i",
        ])
        .arg(host.file("user_key"));
    client.args([
        "root@127.0.0.1",
        "tty; echo ready; read line; echo got-$line; stty size; trap 'echo caught; exit 9' INT; \
                  echo armed; while :; do sleep 1; done",
    ]);
    let mut check_session = || -> Outcome {
        let mut screen = host.on_pty(&mut client)?;
        ioctl::set_winsize(screen.master(), [33, 99, 0, 0]).context("TIOCSWINSZ")?;
        screen.shows("/dev/pts/1\r\nready\r\n")?;
        let remote = host.fs.stat(1).context("stat of the remote terminal")?;
        check_eq!(
            (libc::S_IFCHR | 0o620, 0, 5),
            (remote.st_mode, remote.st_uid, remote.st_gid),
            "the remote terminal's node"
        );
        screen.types("typed\n")?;
        screen.shows("got-typed")?;
        screen.shows("33 99")?;
        screen.shows("armed")?;
        screen.types("\x03")?;
        screen.shows("caught")?;
        check_eq!(Some(9), screen.ends()?.code(), "exit status");
        Ok(())
    };
    check_session().with_context(|| {
        format!(
            "sshd said:\n{}",
            fs::read_to_string(host.file("sshd.log")).unwrap_or_default()
        )
    })?;
    until("the terminals to go", || Ok(host.fs.names()? == ["ptmx"]))
}

/// Waits until the foreground group's leader runs `program`: a job has the terminal a moment before that, when the signals
/// that its shell ignores are still ignored.
fn foreground(master: &std::os::fd::OwnedFd, program: &str) -> Outcome {
    until(program, || {
        let group = ioctl::get(master, ioctl::TIOCGPGRP)?;
        Ok(fs::read_to_string(format!("/proc/{group}/comm"))
            .is_ok_and(|name| name.trim() == program))
    })
}

fn shell_job_control(ctx: &Ctx) -> Outcome {
    let host = Host::new(ctx, &["bash", "sleep"])?;
    let mut screen =
        host.on_pty(
            host.command("bash")
                .args(["--norc", "--noprofile", "--noediting", "-i"]),
        )?;
    screen.types("echo $((6 * 7))\n")?;
    screen.shows("42\r\n")?;
    screen.types("sleep 1000; echo status-$?\n")?;
    screen.shows("sleep 1000; echo status-$?\r\n")?;
    foreground(screen.master(), "sleep")?;
    screen.types("\x1a")?;
    screen.shows("Stopped")?;
    screen.types("jobs\n")?;
    screen.shows("sleep 1000")?;
    screen.types("fg\n")?;
    screen.shows("sleep 1000\r\n")?;
    foreground(screen.master(), "sleep")?;
    screen.types("\x03")?;
    screen.shows("^C")?;
    screen.types("echo still-$((40 + 2))\n")?;
    screen.shows("still-42")?;
    screen.types("exit 6\n")?;
    check_eq!(Some(6), screen.ends()?.code(), "exit status");
    Ok(())
}

fn stty(ctx: &Ctx) -> Outcome {
    let host = Host::new(ctx, &["stty"])?;
    let commands = "stty size; stty rows 11 cols 22; stty size; stty -echo intr '^G'; stty -a";
    let mut screen = host.on_pty(host.command("sh").args(["-c", commands]))?;
    screen.shows("0 0\r\n11 22\r\n")?;
    screen.shows("speed 38400 baud")?;
    screen.shows("intr = ^G")?;
    screen.shows("-echo ")?;
    check_eq!(
        Ok([11, 22, 0, 0]),
        ioctl::winsize(screen.master()),
        "size at the master"
    );
    check!(screen.ends()?.success(), "stty failed");
    Ok(())
}

fn tty(ctx: &Ctx) -> Outcome {
    let host = Host::new(ctx, &["tty"])?;
    let mut first = host.on_pty(host.command("tty").arg("--"))?;
    first.shows("/dev/pts/0\r\n")?;
    let mut second = host.on_pty(host.command("sh").args(["-c", "tty </dev/tty; tty"]))?;
    // What /dev/tty names is not the slave's path.
    second.shows("/dev/tty\r\n/dev/pts/1\r\n")?;
    check!(
        first.ends()?.success() && second.ends()?.success(),
        "tty failed"
    );
    Ok(())
}

fn ps(ctx: &Ctx) -> Outcome {
    let host = Host::new(ctx, &["ps", "cat"])?;
    let on_pty = [
        host.on_pty(&mut host.command("cat"))?,
        host.on_pty(&mut host.command("cat"))?,
    ];
    for (index, screen) in on_pty.iter().enumerate() {
        let pid = screen.child.id().to_string();
        let shown = host.output(host.command("ps").args(["-o", "tty=", "-p", &pid]))?;
        check_eq!(format!("pts/{index}"), shown.trim(), "terminal of {pid}");
        let found =
            host.output(
                host.command("ps")
                    .args(["-o", "pid=", "-t", &format!("pts/{index}")]),
            )?;
        check_eq!(pid, found.trim(), "processes on pts/{index}");
    }
    for screen in on_pty {
        screen.types("\x04")?;
        check!(screen.ends()?.success(), "cat failed");
    }
    Ok(())
}
