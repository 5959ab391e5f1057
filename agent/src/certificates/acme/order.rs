//! One order from beginning to end. Each step asks the authority how far the order is, so that it does not matter how far the last try got.

use super::Failed;
use super::account::Accounts;
use super::http::Connection;
use crate::certificates::Certificate;
use crate::certificates::authority::{Order as Wanted, Trouble, TroubleKind};
use crate::certificates::desk::Desk;
use crate::faults;
use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeStatus, ChallengeType, Error,
    Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use std::time::Duration;
use tenantry_schema::Secret;

/// How often an authority is asked how far it is.
const POLL: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.6)
    .timeout(Duration::from_mins(3));

/// Gets the certificate.
pub(super) async fn get(
    accounts: &Accounts,
    connection: &Connection,
    wanted: &Wanted,
    desk: &Desk<'_>,
) -> Result<Certificate, Failed> {
    let account = async || accounts.get(connection, &wanted.authority).await;
    match with(&patiently(account).await?, wanted, desk).await {
        // An authority that lost its memory: the account is made anew, and the order with it.
        Err(failed) if failed.is("accountDoesNotExist") => {
            accounts.forget()?;
            desk.forget().map_err(Trouble::local)?;
            with(&patiently(account).await?, wanted, desk).await
        }
        result => result,
    }
}

/// How often a request is made again whose nonce the authority did not like; the library does so three times a request by itself.
const NONCES: usize = 20;

/// Tries again where the authority dislikes a nonce: it may refuse any number of them (RFC 8555, section 6.5), and that means nothing.
async fn patiently<T>(mut attempt: impl AsyncFnMut() -> Result<T, Failed>) -> Result<T, Failed> {
    for _ in 0..NONCES {
        match attempt().await {
            Err(failed) if failed.is("badNonce") => {}
            result => return result,
        }
    }
    attempt().await
}

async fn with(account: &Account, wanted: &Wanted, desk: &Desk<'_>) -> Result<Certificate, Failed> {
    let (mut order, key) = patiently(async || begun_or_new(account, wanted, desk).await).await?;
    let mut tokens = Vec::new();
    let worked = async || work(&mut order, &key, wanted, desk, &mut tokens).await;
    let result = patiently(worked).await;
    for token in tokens {
        desk.withdraw(&token);
    }
    if result.is_err() && order.state().status == OrderStatus::Invalid {
        desk.forget().map_err(Trouble::local)?;
    }
    let chain = result?;
    Ok(Certificate { chain, key })
}

/// The order that was begun before, where it can be gone on with.
async fn begun_or_new(
    account: &Account,
    wanted: &Wanted,
    desk: &Desk<'_>,
) -> Result<(Order, Secret), Failed> {
    if let Some((url, key)) = desk.begun().map_err(|error| {
        Trouble::local(format!(
            "{error}; it is the private key of an order that was begun: make it readable, or remove it, which costs another certificate"
        ))
    })? {
        match account.order(url).await {
            Ok(mut order) => {
                if order.state().status != OrderStatus::Invalid {
                    return Ok((order, key));
                }
            }
            Err(error) => {
                let failed = Failed::Acme(error);
                let passing = failed.is("accountDoesNotExist") || failed.is("badNonce");
                if passing || !matches!(failed, Failed::Acme(Error::Api(_))) {
                    return Err(failed);
                }
            }
        }
        desk.forget().map_err(Trouble::local)?;
    }
    let order = new_order(account, wanted).await?;
    faults::changed();
    let key = KeyPair::generate().map_err(Trouble::local)?;
    let key = Secret::new(key.serialize_pem());
    desk.begin(order.url(), &key)?;
    Ok((order, key))
}

async fn new_order(account: &Account, wanted: &Wanted) -> Result<Order, Failed> {
    let names = wanted.names.iter();
    let names: Vec<Identifier> = names
        .map(|name| Identifier::Dns(name.to_string()))
        .collect();
    let plain = NewOrder::new(&names);
    let Some(replaces) = &wanted.replaces else {
        return Ok(account.new_order(&plain).await?);
    };
    let quoted = serde_json::Value::from(replaces.as_str()).to_string();
    let replaces: CertificateIdentifier<'_> = serde_json::from_str(&quoted).map_err(Error::Json)?;
    match account
        .new_order(&NewOrder::new(&names).replaces(replaces))
        .await
    {
        Ok(order) => Ok(order),
        Err(error) => {
            let failed = Failed::Acme(error);
            let serious = [
                "badNonce",
                "rateLimited",
                "accountDoesNotExist",
                "serverInternal",
            ];
            if serious.iter().any(|name| failed.is(name))
                || matches!(failed, Failed::Acme(Error::Other(ref cause)) if cause.is::<reqwest::Error>())
            {
                return Err(failed);
            }
            // It replaced the certificate already, or knows it no more: that is no reason to be without one.
            Ok(account.new_order(&plain).await?)
        }
    }
}

async fn work(
    order: &mut Order,
    key: &Secret,
    wanted: &Wanted,
    desk: &Desk<'_>,
    tokens: &mut Vec<String>,
) -> Result<String, Failed> {
    // What is known of it may be old.
    order.refresh().await?;
    if order.state().status == OrderStatus::Pending {
        answer(order, desk, tokens).await?;
        let polled = order.poll_ready(&POLL).await;
        if !matches!(polled, Ok(OrderStatus::Ready)) && order.state().status == OrderStatus::Invalid
        {
            return Err(reason(order).await);
        }
        polled?;
    }
    if order.state().status == OrderStatus::Ready {
        desk.count(Timestamp::now())?;
        order.finalize_csr(&request(wanted, key)?).await?;
        faults::changed();
    }
    if order.state().status == OrderStatus::Invalid {
        return Err(reason(order).await);
    }
    Ok(order.poll_certificate(&POLL).await?)
}

/// Lays out the answers to all challenges that are open, and says so.
async fn answer(
    order: &mut Order,
    desk: &Desk<'_>,
    tokens: &mut Vec<String>,
) -> Result<(), Failed> {
    let mut open = order.authorizations();
    while let Some(authorization) = open.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            // The order is invalid with it; why is asked for afterwards.
            _ => return Ok(()),
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(ChallengeType::Http01) else {
            let message = format!("the authority does not offer HTTP-01 for {name}");
            return Err(refused(message).into());
        };
        let token = challenge.token.clone();
        tokens.push(token.clone());
        desk.answer(&token, challenge.key_authorization().as_str())?;
        // One that is being validated already must not be announced again.
        if challenge.status == ChallengeStatus::Pending {
            challenge.set_ready().await?;
            faults::changed();
        }
    }
    Ok(())
}

/// Why an order became invalid: what the authority says about the names that it could not validate.
async fn reason(order: &mut Order) -> Failed {
    let mut said = Vec::new();
    let mut all = order.authorizations();
    while let Some(authorization) = all.next().await {
        let Ok(mut authorization) = authorization else {
            break;
        };
        if authorization.refresh().await.is_err() {
            break;
        }
        let name = authorization.identifier().to_string();
        let errors = authorization.challenges.iter();
        let errors = errors.filter_map(|challenge| challenge.error.as_ref()?.detail.clone());
        said.extend(
            errors.map(|detail| format!("{name}: {}", detail.replace(char::is_control, " "))),
        );
    }
    if said.is_empty() {
        let problem = order
            .state()
            .error
            .as_ref()
            .and_then(|problem| problem.detail.clone());
        said.push(problem.unwrap_or_else(|| {
            "the order is invalid, and the authority does not say why".to_owned()
        }));
    }
    refused(format!(
        "the authority could not validate {}",
        said.join("; ")
    ))
    .into()
}

fn refused(message: String) -> Trouble {
    Trouble {
        kind: TroubleKind::Refused,
        message,
        not_before: None,
    }
}

/// The request for a certificate (RFC 2986), DER.
fn request(wanted: &Wanted, key: &Secret) -> Result<Vec<u8>, Trouble> {
    let make = || {
        let names: Vec<String> = wanted.names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::from_pem(key.expose())?;
        Ok::<_, rcgen::Error>(params.serialize_request(&key)?.der().to_vec())
    };
    make().map_err(Trouble::local)
}
