//! What the web server answers where it is asked for a name that nobody ordered: nothing. Without it the first site would answer, whoever asks.

use super::{RenderError, Rendered, listen, listen6};
use crate::slice_input::SliceInput;
use tenantry_schema::document::{State, WebPorts};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::FALLBACK_SITE;

/// Adds the fallback site where there is any other.
pub(super) fn render(input: &SliceInput, out: &mut Rendered) -> Result<(), RenderError> {
    let mut running = input.instances.values();
    if !running.any(|instance| instance.state == State::Running && !instance.hosts.is_empty()) {
        return Ok(());
    }
    let path = RelativePath::try_from(format!("sites/{FALLBACK_SITE}.conf"));
    let path = path.map_err(|why| RenderError::Host(why.to_string()))?;
    out.files.insert(path, text(input.web).into_bytes());
    Ok(())
}

/// The web server's configuration for every name that is no site's.
///
/// TLS settings stand here, too: those of the default server hold until a client has said which name it wants.
pub fn text(web: WebPorts) -> String {
    let (http, https) = (
        listens(web, web.http, "default_server"),
        listens(web, web.https, "ssl http2 default_server"),
    );
    format!(
        r"# Names that nobody ordered: rendered by Tenantry; changes made here are put back.
server {{
    {http}
    server_name _;
    server_tokens off;
    access_log off;

    # So that a certificate can be had for a site before it is served.
    location ^~ /.well-known/acme-challenge/ {{
        default_type text/plain;
        include tenantry/acme/*.conf;
        try_files $uri =404;
    }}

    location / {{
        return 444;
    }}
}}

server {{
    {https}
    server_name _;
    access_log off;
    ssl_reject_handshake on;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tenantry:4m;
    ssl_session_timeout 1d;
    ssl_session_tickets off;
}}
"
    )
}

/// All `listen` lines for one port.
fn listens(web: WebPorts, port: u16, how: &str) -> String {
    let all = [Some(listen(web.address, port)), listen6(web.address, port)];
    let lines = all.into_iter().flatten();
    let lines: Vec<_> = lines.map(|at| format!("listen {at} {how};")).collect();
    lines.join("\n    ")
}
