//! The SSH server. A change that would leave nobody who can get in is refused; one that nobody can log in to is put back.

use super::files::{is_right, wanted};
use super::{Go, HostInput, Stop};
use crate::host::found::Found;
use crate::host::memory::digest_of;
use crate::host::step::{Action, SshChange};
use crate::host::{SSH_SOCKET, SSHD, SSHD_FOLDER, SSHD_MAIN, texts};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use tenantry_schema::document::{HostArea, Protocol, Ssh};
use tenantry_schema::name::RelativePath;

/// Debian's unit of it.
const SSH_SERVICE: &str = "ssh.service";
/// People whose log-in is looked at one by one, at most.
const MOST_PEOPLE: usize = 200;

pub(super) fn plan(input: &HostInput<'_>) -> Result<Go, Stop> {
    let Some(ssh) = input.host.ssh else {
        return Ok(Go::default());
    };
    let found = input.found;
    let text = texts::sshd(&ssh);
    let file = wanted(SSHD, &text, 0o644);
    let others = others(found).map_err(Stop::Unseen)?;
    // Whatever others write may win, so that what was tried out with other words of theirs was not tried out.
    let theirs = others.iter().flat_map(|(path, text)| [path.as_str(), text]);
    let mut go = Go::new(digest_of([text.as_str()].into_iter().chain(theirs)));
    let repair = found.memory.has(HostArea::Ssh, &go.of, None);
    if is_right(found, &file)? && repair {
        if found.systemd {
            let units = vec![SSH_SERVICE.to_owned()];
            go.inspect(input, HostArea::Ssh, Action::EnsureUnits(units));
        }
        return Ok(go);
    }
    possible(input, ssh)?;
    let user = who_gets_in(input, ssh)?;
    let change = SshChange {
        whole: whole(&text, &others).into(),
        text: text.into(),
        port: ssh.port,
        root: ssh.root,
        people: people(input, &user)?,
        user,
        systemd: found.systemd,
        of: go.of.clone(),
    };
    let of = go.of.clone();
    go.all([(Action::Ssh(change), repair), (Action::Note { of }, false)]);
    Ok(go)
}

/// Files of others that the server reads, with what is in them: its main file, and those of the folder.
fn others(found: &Found) -> Result<BTreeMap<&RelativePath, &str>, String> {
    if let Some(why) = found.unlisted.get(SSHD_FOLDER) {
        return Err(why.clone());
    }
    let mut all = BTreeMap::new();
    for path in found.files.keys() {
        if is_read(path.as_str()) && path.as_str() != SSHD {
            all.extend(found.text(path.as_str())?.map(|text| (path, text)));
        }
    }
    Ok(all)
}

/// All settings in the order in which the server reads them: the files of the folder by their names, ours where its name stands, then what
/// follows the line that includes them.
fn whole(ours: &str, others: &BTreeMap<&RelativePath, &str>) -> String {
    // The glob of the server leaves out names that begin with a dot.
    let hidden = format!("{SSHD_FOLDER}/.");
    let folder = others.keys().map(|path| path.as_str());
    let mut names: BTreeSet<_> = folder.filter(|path| !path.starts_with(&hidden)).collect();
    names.remove(SSHD_MAIN);
    names.insert(SSHD);
    let mut text = String::new();
    for path in names {
        if path == SSHD {
            text.push_str(ours);
        } else {
            let _ = writeln!(text, "Include /{path}");
        }
    }
    let main = others.iter().find(|(path, _)| path.as_str() == SSHD_MAIN);
    let lines = main.map_or("", |(_, text)| text).lines();
    let rest = lines.skip_while(|line| !says_something(line)).skip(1);
    rest.fold(text, |text, line| text + line + "\n")
}

fn says_something(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

/// Whose log-in is looked at one by one, for settings may be theirs alone: those of the fleet, or whoever has an account.
fn people(input: &HostInput<'_>, user: &str) -> Result<Vec<String>, Stop> {
    let accounts = input.found.accounts().map_err(Stop::Unseen)?;
    let managed = input.host.users.is_some();
    let theirs = accounts.values().filter(|account| {
        let asked = !managed || input.users.contains_key(account.name);
        asked && account.uid >= 1000 && !account.shut && account.name != "nobody"
    });
    let mut all: BTreeSet<_> = theirs.map(|it| it.name).take(MOST_PEOPLE).collect();
    all.extend([user, "root"]);
    Ok(all.into_iter().map(str::to_owned).collect())
}

/// Whether the settings could work at all.
fn possible(input: &HostInput<'_>, ssh: Ssh) -> Result<(), Stop> {
    let refuse = |why: String| Err(Stop::Refused(why));
    let port = ssh.port;
    let web = input.web;
    if [web.http, web.https].contains(&port) {
        return refuse(format!(
            "port {port} is the web server's; choose another for `ssh.port`"
        ));
    }
    let published = input
        .published
        .and_then(|all| all.get(&(port, Protocol::Tcp)));
    if let Some(container) = published {
        return refuse(format!(
            "port {port} is published by container {container}; choose another for `ssh.port`"
        ));
    }
    if input.sites.contains(&port) {
        return refuse(format!(
            "port {port} is that of a site; choose another for `ssh.port`"
        ));
    }
    let found = input.found;
    port_is_its_own(found)?;
    let main = found.text(SSHD_MAIN).map_err(Stop::Unseen)?;
    let Some(main) = main else {
        return refuse(format!("/{SSHD_MAIN} is missing: reinstall openssh-server"));
    };
    let mut lines = main.lines().filter(|line| says_something(line));
    let includes = lines.next().is_some_and(|line| {
        let mut words = line.split_ascii_whitespace();
        words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("include"))
            && words.any(|word| word == "/etc/ssh/sshd_config.d/*.conf")
    });
    if !includes {
        return refuse(format!(
            "/{SSHD_MAIN} does not begin with `Include /etc/ssh/sshd_config.d/*.conf`, so that other settings would win; put that line first"
        ));
    }
    let other: Vec<_> = ports(found, |path| path != SSHD)
        .map_err(Stop::Unseen)?
        .into_iter()
        .filter(|other| *other != port)
        .collect();
    match other.first() {
        Some(other) => refuse(format!(
            "other files in /etc/ssh have the server listen at port {other} as well; remove that line"
        )),
        None => Ok(()),
    }
}

/// Somebody who can log in under the new settings: whoever can become root is asked first.
fn who_gets_in(input: &HostInput<'_>, ssh: Ssh) -> Result<String, Stop> {
    let found = input.found;
    let accounts = found.accounts().map_err(Stop::Unseen)?;
    let has_keys = |path: &str| match found.files.get(path) {
        Some(Err(why)) => Err(Stop::Unseen(why.clone())),
        Some(Ok(Some(file))) => Ok(has_key(&file.data)),
        Some(Ok(None)) | None => Ok(false),
    };
    if input.host.users.is_some() {
        let admins = input.users.iter().filter(|(_, user)| user.sudo);
        for (id, _) in admins {
            let account = accounts
                .get(id.as_str())
                .filter(|account| !account.shut && account.uid >= 1000);
            if let Some(account) = account
                && has_keys(&account.keys())?
            {
                return Ok(account.name.to_owned());
            }
        }
    } else {
        for account in accounts
            .values()
            .filter(|account| account.uid >= 1000 && !account.shut)
        {
            if has_keys(&account.keys())? {
                return Ok(account.name.to_owned());
            }
        }
    }
    if ssh.root && has_keys("root/.ssh/authorized_keys")? {
        return Ok("root".to_owned());
    }
    Err(Stop::Refused(if input.host.users.is_some() {
        "nobody who may become root has a key here, so everybody would be locked out: give somebody of staff.yaml `server_login`, or allow `root: true` with a key of root's".into()
    } else {
        "nobody has a key here, so everybody would be locked out: have `users:` looked after, or put a key into somebody's authorized_keys".into()
    }))
}

fn has_key(authorized: &[u8]) -> bool {
    let text = String::from_utf8_lossy(authorized);
    text.lines()
        .map(str::trim)
        .any(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Where systemd listens for the SSH server, its files do not say where.
pub(super) fn port_is_its_own(found: &Found) -> Result<(), Stop> {
    match found.files.get(SSH_SOCKET) {
        Some(Ok(Some(_)) | Err(_)) => Err(Stop::Refused("systemd listens for the SSH server (ssh.socket), so nobody knows at which port: `systemctl disable --now ssh.socket && systemctl enable --now ssh.service`, or leave `ssh`, `firewall` and `fail2ban` unmanaged".into())),
        Some(Ok(None)) | None => Ok(()),
    }
}

/// Where the SSH server listens, as its files say.
pub(super) fn configured_ports(found: &Found) -> Result<BTreeSet<u16>, String> {
    let mut all = ports(found, |_| true)?;
    if all.is_empty() {
        all.insert(22);
    }
    Ok(all)
}

fn ports(found: &Found, of: impl Fn(&str) -> bool) -> Result<BTreeSet<u16>, String> {
    if let Some(why) = found.unlisted.get(SSHD_FOLDER) {
        return Err(why.clone());
    }
    let mut all = BTreeSet::new();
    for path in found.files.keys().map(RelativePath::as_str) {
        if is_read(path) && of(path) {
            for line in found.text(path)?.unwrap_or_default().lines() {
                all.extend(port(line).map_err(|why| format!("/{path} {why}"))?);
            }
        }
    }
    Ok(all)
}

/// Whether the SSH server reads the file.
fn is_read(path: &str) -> bool {
    let name = path.strip_prefix(SSHD_FOLDER);
    path == SSHD_MAIN || name.is_some_and(|name| name.starts_with('/') && name.ends_with(".conf"))
}

/// The port of a line (`sshd_config(5)`), if it says one: `Port 22`, `port=22`, `ListenAddress [::]:22`.
fn port(line: &str) -> Result<Option<u16>, String> {
    let line = line.trim();
    let ends = |c: char| c.is_ascii_whitespace() || c == '=';
    let Some((word, rest)) = line.split_once(ends) else {
        return Ok(None);
    };
    let mut values = rest.trim_start_matches(ends).split_ascii_whitespace();
    let text = if word.eq_ignore_ascii_case("port") {
        values.next()
    } else if word.eq_ignore_ascii_case("listenaddress") {
        values.next().and_then(of_address)
    } else if word.eq_ignore_ascii_case("include") {
        return match values.find(|pattern| !FOLLOWED.contains(&pattern.trim_matches('"'))) {
            Some(other) if !other.starts_with('#') => Err(format!(
                "includes {other}, and a port that stands there is not seen: move it into /{SSHD_FOLDER}"
            )),
            _ => Ok(None),
        };
    } else {
        None
    };
    let Some(text) = text.map(|text| text.trim_matches('"')) else {
        return Ok(None);
    };
    let number = text.parse().map(Some);
    number.map_err(|_| format!("names a port that is no number: `{text}`"))
}

/// What the SSH server includes and we look at.
const FOLLOWED: [&str; 2] = ["/etc/ssh/sshd_config.d/*.conf", "sshd_config.d/*.conf"];

/// The port of `192.0.2.1:22`, `name:22`, `[2001:db8::1]:22`. An IPv6 address without brackets has none.
fn of_address(address: &str) -> Option<&str> {
    let address = address.trim_matches('"');
    let (host, port) = address.rsplit_once(':')?;
    (host.ends_with(']') || !host.contains(':')).then_some(port)
}
