//! Users: who may log in, by the fleet's word. Who leaves is locked out and loses their keys; their folder stays.

use super::files::{is_repair, is_right, wanted};
use super::{Go, HostInput, Stop};
use crate::host::found::{Account, Content};
use crate::host::memory::digest_of;
use crate::host::programs::{Call, Program};
use crate::host::step::{Action, UserKeys};
use crate::host::{GROUP, SUDOERS, path, texts};
use std::collections::BTreeMap;
use tenantry_schema::document::HostArea;
use tenantry_schema::id::StaffId;
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::UserSpec;

/// Numbers below are the system's own.
const FIRST_PERSON: u32 = 1000;
/// Longest name of a user that Linux takes.
const LONGEST: usize = 32;

pub(super) fn plan(input: &HostInput<'_>) -> Result<Go, Stop> {
    let accounts = input.found.accounts().map_err(Stop::Unseen)?;
    let (leavers, system): (Vec<&Account<'_>>, Vec<_>) = accounts
        .values()
        .filter(|account| account.ours && !input.users.contains_key(account.name))
        .partition(|account| account.uid >= FIRST_PERSON);
    if input.users.is_empty() && leavers.iter().any(|account| !account.shut) {
        return Err(Stop::Refused(
            "nobody of staff.yaml may log in, so everybody would be locked out; give somebody `server_login`, or leave `users` unmanaged".into(),
        ));
    }
    let mut go = Go::new(digest_of([format!("{:?}", input.users).as_str()]));
    let repair = is_repair(input.found, HostArea::Users, &go.of);
    let mut made = false;
    let mut odd: Vec<_> = system
        .into_iter()
        .map(|it| of_the_system(it.name))
        .collect();
    for (id, user) in input.users {
        if let Some(why) = unfit(id, &accounts) {
            odd.push(why);
            continue;
        }
        made |= !accounts.contains_key(id.as_str());
        if let Err(why) = join(input, id, user, accounts.get(id.as_str()), repair, &mut go) {
            odd.push(why);
        }
    }
    if !go.steps.is_empty() {
        let group = Call::new(Program::Groupadd, ["--force", "--system", GROUP]);
        go.steps.insert(0, (Action::Run(group), repair));
    }
    for account in leavers {
        if let Err(why) = leave(input, account, repair, &mut go) {
            odd.push(why);
        }
    }
    sudo(input, &accounts, repair, &mut go)?;
    // One whose folder is odd must not hold the others up.
    if !odd.is_empty() {
        go.trouble = true;
        go.message = Some(odd.join("; "));
    }
    // Whoever was just made has a folder, and so a place for keys, in the next pass.
    go.unfinished = made;
    if !made && !repair {
        let of = go.of.clone();
        go.add(Action::Note { of });
    }
    Ok(go)
}

/// Why nobody of that name can be made or taken in.
fn unfit(id: &StaffId, accounts: &BTreeMap<&str, Account<'_>>) -> Option<String> {
    let name = id.as_str();
    if name.len() > LONGEST || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(format!(
            "{name} cannot be the name of a user here: it begins with a letter and has at most {LONGEST} characters"
        ));
    }
    let account = accounts.get(name)?;
    (account.uid < FIRST_PERSON).then(|| of_the_system(name))
}

/// Such an account is nobody's to be locked out of.
fn of_the_system(name: &str) -> String {
    format!("{name} is an account of the system, and is left alone")
}

fn join(
    input: &HostInput<'_>,
    id: &StaffId,
    user: &UserSpec,
    account: Option<&Account<'_>>,
    repair: bool,
    go: &mut Go,
) -> Result<(), String> {
    let name = id.as_str();
    let Some(account) = account else {
        // A password of `*` fits nothing, and is no lock: keys work.
        let make = [
            "--create-home",
            "--user-group",
            "--groups",
            GROUP,
            "--shell",
            "/bin/bash",
            "--password",
            "*",
            "--",
            name,
        ];
        go.all([(Action::Run(Call::new(Program::Useradd, make)), repair)]);
        return Ok(());
    };
    if !account.ours {
        let take = ["--append", "--groups", GROUP, "--", name];
        go.add(Action::Run(Call::new(Program::Usermod, take)));
    }
    if account.shut {
        let open = ["--expiredate", "", "--", name];
        go.add(Action::Run(Call::new(Program::Usermod, open)));
    }
    let lines: Vec<_> = user
        .keys
        .iter()
        .map(|key| format!("{key} {name}\n"))
        .collect();
    let text = format!(
        "# Kept by tenantry-agent: changes made here are undone.\n{}",
        lines.concat()
    );
    go.all(keys(input, account, text)?.map(|action| (action, repair)));
    Ok(())
}

/// `noted`: whether this was done before, to the end.
fn leave(
    input: &HostInput<'_>,
    account: &Account<'_>,
    noted: bool,
    go: &mut Go,
) -> Result<(), String> {
    if !account.shut {
        let shut = ["--expiredate", "1", "--", account.name];
        go.add(Action::Run(Call::new(Program::Usermod, shut)));
    }
    if !account.shut || !noted {
        go.add(Action::EndSessions {
            name: account.name.to_owned(),
            uid: account.uid,
        });
    }
    // Whoever has no folder has no keys.
    let folder = RelativePath::try_from(account.home.to_owned());
    if folder.is_ok() && file_of_keys(input, account)?.is_some() {
        go.all(keys(input, account, String::new())?.map(|action| (action, false)));
    }
    Ok(())
}

fn keys(
    input: &HostInput<'_>,
    account: &Account<'_>,
    text: String,
) -> Result<Option<Action>, String> {
    let Ok(home) = RelativePath::try_from(account.home.to_owned()) else {
        return Err(format!("{} has no folder of their own", account.name));
    };
    let right = file_of_keys(input, account)?.is_some_and(|file| {
        *file.data == *text.as_bytes() && file.mode == 0o600 && file.uid == account.uid
    });
    let keys = UserKeys {
        name: account.name.to_owned(),
        uid: account.uid,
        gid: account.gid,
        home,
        text,
    };
    Ok((!right).then_some(Action::Keys(keys)))
}

/// What was seen of it.
fn file_of_keys<'f>(
    input: &HostInput<'f>,
    account: &Account<'_>,
) -> Result<Option<&'f Content>, String> {
    match input.found.files.get(account.keys().as_str()) {
        Some(Err(why)) => Err(why.clone()),
        Some(Ok(file)) => Ok(file.as_ref()),
        None => Err(format!("the keys of {} were not looked at", account.name)),
    }
}

/// The file is there only where somebody may: `/etc/sudoers.d` comes with the package.
fn sudo(
    input: &HostInput<'_>,
    accounts: &BTreeMap<&str, Account<'_>>,
    repair: bool,
    go: &mut Go,
) -> Result<(), Stop> {
    let may = input
        .users
        .iter()
        .filter(|(id, user)| user.sudo && unfit(id, accounts).is_none());
    let may: Vec<_> = may.map(|(id, _)| id.as_str()).collect();
    if may.is_empty() {
        match input.found.files.get(SUDOERS) {
            Some(Err(why)) => return Err(Stop::Unseen(why.clone())),
            Some(Ok(Some(_))) => go.add(Action::Remove(path(SUDOERS))),
            Some(Ok(None)) | None => {}
        }
        return Ok(());
    }
    let file = wanted(SUDOERS, &texts::sudoers(may), 0o440);
    if !is_right(input.found, &file)? {
        let check = Call::new(Program::Visudo, ["-c", "-q", "-f", "-"]);
        go.all([(Action::WriteChecked(file, check), repair)]);
    }
    Ok(())
}
