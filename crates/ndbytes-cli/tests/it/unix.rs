//! What only Unix has: permissions, signals, FIFOs, devices, closed pipes.

use crate::room::{BIN, Done, Room};
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Runs as somebody who owns nothing here, where we are root and could do anything.
fn as_nobody(room: &Room, args: &[&str]) -> Done {
    std::fs::set_permissions(room.folder(), Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(BIN);
    if std::fs::metadata(room.folder()).unwrap().uid() == 0 {
        let copy = room.path("ndbytes-copy");
        // Not by this process: a child forked meanwhile would hold it open, and then nobody can start it.
        assert!(Command::new("cp").arg(BIN).arg(&copy).status().unwrap().success());
        command = Command::new(copy);
        command.uid(65_534).gid(65_534);
    }
    command.args(args).current_dir(room.folder()).output().unwrap().into()
}

#[test]
fn no_permission_to_read_or_to_write() {
    let room = Room::new();
    room.bare("secret.npy", &[3]);
    room.bare("open.npy", &[3]);
    room.mkdir("locked");
    std::fs::set_permissions(room.path("secret.npy"), Permissions::from_mode(0o000)).unwrap();
    std::fs::set_permissions(room.path("locked"), Permissions::from_mode(0o500)).unwrap();
    for command in ["info", "verify", "checksum"] {
        as_nobody(&room, &[command, "secret.npy"])
            .failed(4, "ndbytes: secret.npy: Permission denied (os error 13)");
    }
    as_nobody(&room, &["convert", "open.npy", "-o", "locked/a.npy"])
        .failed(4, "ndbytes: locked/a.npy: Permission denied (os error 13)");
}

#[test]
fn devices_and_fifos() {
    let room = Room::new();
    room.bare("a.npy", &[3]);
    let device =
        "a device, not a file; read it or write to it as a stream: No such device (os error 19)";
    room.run(&["info", "/dev/zero"]).failed(8, &format!("ndbytes: /dev/zero: {device}"));
    room.run(&["convert", "a.npy", "-o", "/dev/null", "--to", "npy"])
        .failed(8, &format!("ndbytes: /dev/null: {device}"));
    make_fifo(&room, "fifo");
    for command in ["info", "verify", "checksum"] {
        room.run(&[command, "fifo", "--patience", "0.2"])
            .failed(9, "ndbytes: fifo: a FIFO that nobody wrote to within 0.2 s");
    }
}

#[test]
fn a_fifo_is_read_as_it_comes() {
    let room = Room::new();
    let bytes = room.checked("a.npy", &[100_000]);
    make_fifo(&room, "fifo");
    // More than once: whoever opened it twice would break its writer's pipe now and then.
    for _ in 0..5 {
        for command in ["verify", "info", "head"] {
            let (path, bytes) = (room.path("fifo"), bytes.clone());
            let writer = std::thread::spawn(move || {
                let mut fifo = File::options().write(true).open(path).unwrap();
                bytes.chunks(9999).for_each(|part| fifo.write_all(part).unwrap());
            });
            let done = room.run(&[command, "fifo"]);
            assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{command}");
            writer.join().unwrap();
        }
    }
}

#[test]
fn links_to_folders_are_not_followed() {
    let room = Room::new();
    room.mkdir("d");
    room.bare("d/a.npy", &[3]);
    symlink(".", room.path("d/loop")).unwrap();
    symlink("a.npy", room.path("d/b.npy")).unwrap();
    symlink("nowhere", room.path("d/broken.npy")).unwrap();
    symlink("d", room.path("link")).unwrap();
    for folder in ["d", "link"] {
        let done = room.run(&["verify", "-r", folder]);
        assert_eq!((done.code, done.out.lines().count()), (Some(0), 2), "{done:?}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let room = Room::new();
    let names: Vec<String> = (0..300).map(|n| format!("{n}.npy")).collect();
    names.iter().for_each(|name| {
        room.bare(name, &[3]);
    });
    room.bare("large.npy", &[2_000_000]);
    let files: Vec<&str> = names.iter().map(String::as_str).collect();
    for args in [
        [&["info", "--json", "-j", "2"][..], &files].concat(),
        [&["verify"][..], &files].concat(),
        vec!["convert", "large.npy", "-o", "-"],
        vec!["convert", "large.npy", "-o", "-", "--to", "raw"],
        vec!["demo", "large.npy"],
        vec![],
    ] {
        let mut command = room.command(&args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let done = Done::from(child.wait_with_output().unwrap());
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{:?}", args.first());
    }
    let mut shell = Command::new("sh");
    let script =
        format!("{{ '{BIN}' convert large.npy -o -; echo $? >code; }} | head -c 1 | wc -c");
    let done = Done::from(shell.arg("-c").arg(script).current_dir(room.folder()).output().unwrap());
    assert_eq!((done.out.trim(), done.err.as_str()), ("1", ""));
    assert_eq!(room.read("code"), b"0\n");
}

#[test]
fn a_full_disk_behind_standard_output_is_said() {
    let room = Room::new();
    room.bare("a.npy", &[3]);
    for args in [&["info", "a.npy"][..], &["convert", "a.npy", "-o", "-"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let done = Done::from(room.command(args).stdout(full).output().unwrap());
        done.failed(8, "ndbytes: standard output: No space left on device (os error 28)");
    }
}

#[test]
fn ctrl_c_while_a_pipe_is_silent() {
    let room = Room::new();
    let bytes = room.bare("a.npy", &[100_000]);
    make_fifo(&room, "fifo");
    for signal in ["INT", "TERM"] {
        for args in [
            &["convert", "-", "-o", "b.npy"][..],
            &["convert", "-", "-o", "b.npy", "--raw", "<u2"],
            &["convert", "-", "-o", "b.npy", "--raw", "<u2[100000]"],
            &["verify", "-"],
            &["info", "-", "--json"],
            &["info", "fifo", "--patience", "60"],
        ] {
            let mut command = room.command(args);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            if args.contains(&"-") {
                stdin.write_all(&bytes[..50_000]).unwrap();
            }
            listens(&child);
            std::thread::sleep(Duration::from_millis(50));
            kill(&child, signal);
            let done = Done::from(child.wait_with_output().unwrap());
            drop(stdin);
            assert_eq!((done.code, done.out.as_str()), (Some(130), ""), "{args:?} {}", done.err);
            assert!(done.err.contains("interrupted; nothing half-written is left"), "{}", done.err);
            assert_eq!(done.err.lines().count(), 1);
            assert_eq!(room.names(), ["a.npy", "fifo"]);
        }
    }
}

#[test]
fn ctrl_c_in_the_middle_of_many_files() {
    let room = Room::new();
    room.checked("a.npy", &[10]);
    make_fifo(&room, "one");
    make_fifo(&room, "two");
    let mut command =
        room.command(&["verify", "-j", "2", "a.npy", "one", "two", "--patience", "60"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    listens(&child);
    std::thread::sleep(Duration::from_millis(200));
    kill(&child, "INT");
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!(done.out, "a.npy: ok\n");
    done.failed(130, "ndbytes: interrupted; nothing half-written is left");
}

/// The resident memory of a process at its highest, in KiB.
#[cfg(target_os = "linux")]
fn peak(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn verify_and_raw_input_hold_no_array_in_memory() {
    let room = Room::new();
    let bytes = room.checked("a.npy", &[16 << 20]);
    let held = |args: &[&str]| {
        let mut command = room.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&bytes).unwrap();
        let peak = peak(&child);
        drop(stdin);
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
        peak
    };
    let raw = ["convert", "-", "-o", "b.npy", "--raw", &format!("|u1[{}]", bytes.len())];
    let (verify, raw) = (held(&["verify", "-"]), held(&raw));
    let convert = held(&["convert", "-", "-o", "b.npy"]);
    assert!(verify < 16 << 10, "{verify} KiB for an array of 32 MiB");
    assert!(raw < 16 << 10, "{raw} KiB for an array of 32 MiB");
    assert!(convert > 32 << 10, "{convert} KiB: so it can be seen");
}

#[test]
fn ctrl_c_in_the_middle_of_writing() {
    let room = Room::new();
    room.bare("a.npy", &[8000, 4000]);
    room.write("b.npy", "the old file");
    let args = ["convert", "a.npy", "-o", "b.npy", "--order", "F"];
    let mut child = room.command(&args).stderr(Stdio::piped()).spawn().unwrap();
    while !room.names().iter().any(|name| name.ends_with(".ndbytes-tmp")) {
        assert_eq!(child.try_wait().unwrap(), None, "too quick to be interrupted");
        std::thread::yield_now();
    }
    kill(&child, "INT");
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!(room.names(), ["a.npy", "b.npy"]);
    done.failed(130, "ndbytes: interrupted; nothing half-written is left");
    assert_eq!(room.read("b.npy"), b"the old file");
}

#[test]
fn names_command_no_terminal() {
    let room = Room::new();
    room.run(&["info", "no\u{1b}[2J\n.npy"])
        .failed(3, "ndbytes: no\\u{1b}[2J\\n.npy: No such file or directory (os error 2)");
}

fn make_fifo(room: &Room, name: &str) {
    assert!(Command::new("mkfifo").arg(room.path(name)).status().unwrap().success());
}

fn kill(child: &Child, signal: &str) {
    let command = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
}

/// Waits until the process has its handler for SIGINT.
fn listens(child: &Child) {
    let status = format!("/proc/{}/status", child.id());
    for _ in 0..500 {
        let Ok(text) = std::fs::read_to_string(&status) else { break };
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap_or("0").trim(), 16).unwrap_or(0);
        if caught & 0b10 != 0 && caught & (1 << 14) != 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(500)); // No /proc here.
}
