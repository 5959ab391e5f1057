//! The texts that test fleets are made of.

use sha2::{Digest, Sha256};
use tenantry_planner::ObjectId;

/// A stand-in for Git's object ids.
pub(crate) fn id(text: &str) -> ObjectId {
    let digest = Sha256::digest(text.as_bytes());
    let mut id = [0; 20];
    id.copy_from_slice(&digest[..20]);
    ObjectId(id)
}

/// Public keys of a holder called `letter`.
pub(crate) fn keys(letter: char) -> String {
    let (sign, age) = (letter.to_string().repeat(43), letter.to_string().repeat(58));
    format!("{{ sign: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{sign}, age: age1{age} }}")
}

/// A server whose agent is enrolled, with more lines.
pub(crate) fn server(letter: char, more: &str) -> String {
    format!(
        "provider: static\naddress: 192.0.2.17\nagent: {}\n{more}",
        keys(letter)
    )
}

pub(crate) const PAGE: [(&str, &str); 3] = [
    (
        "stack.yaml",
        "title: Page\nsite: { service: web, port: 80, host: \"@\" }\nparameters:\n  TITLE: { default: Welcome }\nsmoke: GET /\nmemory: 64M\n",
    ),
    (
        "compose.yaml",
        "services:\n  web:\n    image: nginx:1.30\n    environment:\n      TZ: ${TZ:-UTC}\n      PASSWORD: ${PASSWORD:-}\n    ports:\n      - \"127.0.0.1:${SITE_PORT}:80\"\n    volumes:\n      - ./files/html:/usr/share/nginx/html:ro\n",
    ),
    (
        "files/html/index.html.j2",
        "<h1>{{ TITLE }}</h1>\n<p>{{ SITE_URL }}</p>\n",
    ),
];

pub(crate) const NOTES: [(&str, &str); 2] = [
    (
        "stack.yaml",
        "title: Notes\nsites:\n  app: { service: app, port: 8080 }\n  admin: { service: app, port: 9090, host: notes-admin }\nsecrets:\n  DB_PASSWORD: {}\nbackup: { postgres: db, volumes: [data] }\nsmoke: GET /health\nmemory: 256M\n",
    ),
    (
        "compose.yaml",
        "services:\n  app:\n    image: notes:1\n    environment: { DB_PASSWORD_FILE: /run/secrets/db, URL: \"${SITE_APP_URL}\" }\n    secrets: [db]\n    ports: [\"127.0.0.1:${SITE_APP_PORT}:8080\", \"127.0.0.1:${SITE_ADMIN_PORT}:9090\"]\n    depends_on: { db: { condition: service_healthy } }\n  db:\n    image: postgres:15\n    environment: { POSTGRES_PASSWORD_FILE: /run/secrets/db }\n    secrets: [db]\n    volumes: [\"data:/var/lib/postgresql/data\"]\n    healthcheck: { test: [CMD, pg_isready] }\nvolumes: { data: {} }\nsecrets: { db: { environment: DB_PASSWORD } }\n",
    ),
];

pub(crate) const JOBS: [(&str, &str); 2] = [
    (
        "stack.yaml",
        "title: Jobs\nsecrets:\n  TOKEN: { length: 16, alphabet: hex }\n",
    ),
    (
        "compose.yaml",
        "services:\n  worker:\n    image: jobs:1\n    environment: { TOKEN: \"${TOKEN}\", PASSWORD: \"${PASSWORD:-none}\", TZ: \"${TZ:-UTC}\" }\n",
    ),
];

/// Everything but customers.
pub(crate) fn base() -> Vec<(&'static str, String)> {
    let hub = format!(
        "fleet_id: test-fleet\nurl: https://hub.example\nkeys:\n  hub: {}\n  recovery: {}\nplans:\n  pro: {{}}\n  small: {{ tools: [page], memory: 100M }}\n",
        keys('h'),
        keys('r')
    );
    let site = "server {\n    listen {{ listen.https }} ssl;\n    server_name {{ host }};\n{%- for name, value in headers | items %}\n    add_header \"{{ name }}\" \"{{ value }}\" always;\n{%- endfor %}\n    client_max_body_size {{ max_body }};\n    ssl_certificate {{ certificate }}/fullchain.pem;\n    location / { proxy_pass http://{{ upstream }}; }\n    # {{ stack }} {{ https_port_suffix }} {{ listen.http }}\n}\n";
    let mut files = vec![
        ("fleet/hub.yaml", hub),
        ("nginx/default.conf", site.to_owned()),
    ];
    files.extend([
        ("stacks/page/stack.yaml", PAGE[0].1.to_owned()),
        ("stacks/page/compose.yaml", PAGE[1].1.to_owned()),
    ]);
    files.push(("stacks/page/files/html/index.html.j2", PAGE[2].1.to_owned()));
    files.extend([
        ("stacks/notes/stack.yaml", NOTES[0].1.to_owned()),
        ("stacks/notes/compose.yaml", NOTES[1].1.to_owned()),
    ]);
    files.extend([
        ("stacks/jobs/stack.yaml", JOBS[0].1.to_owned()),
        ("stacks/jobs/compose.yaml", JOBS[1].1.to_owned()),
    ]);
    files
}
