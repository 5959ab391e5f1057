//! HTTPS clients for names that exist nowhere but in a test.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use reqwest::{Certificate, Client, redirect::Policy};

/// Whose certificates a client accepts.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Those of this certificate or authority (PEM), and of nobody else.
    Pem(&'a [u8]),
    /// Any, for a self-signed certificate that the test does not know.
    Anything,
}

/// A client for which each of `hosts` is 127.0.0.1. The port comes from the URL. It follows no redirect, uses no
/// proxy, gives up after ten seconds, and connects anew for each request: a kept connection may lead to a container
/// that is gone.
pub fn client(hosts: &[&str], trust: Trust<'_>) -> Result<Client, reqwest::Error> {
    client_at(Ipv4Addr::LOCALHOST.into(), hosts, trust)
}

/// The same for which each of `hosts` is `address`, such as that of this machine by IPv6.
pub fn client_at(
    address: IpAddr,
    hosts: &[&str],
    trust: Trust<'_>,
) -> Result<Client, reqwest::Error> {
    let here = SocketAddr::from((address, 0));
    let builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(10));
    let builder = match trust {
        Trust::Pem(pem) => builder.tls_certs_only(Certificate::from_pem_bundle(pem)?),
        Trust::Anything => builder.tls_danger_accept_invalid_certs(true),
    };
    hosts
        .iter()
        .fold(builder, |builder, host| builder.resolve(host, here))
        .build()
}
