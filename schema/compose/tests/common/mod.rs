//! Files and helpers that several tests share.

#![allow(dead_code)]

use tenantry_compose::{Project, ServiceName};

/// Values for every example.
pub(crate) fn lookup(name: &str) -> Option<String> {
    let value = match name {
        "SITE_PORT" => "20080",
        "DB_PASSWORD" => "s3cret",
        "TOKEN" => "t0ken",
        "PASSED" => "passed on",
        "TAG" => "1.27",
        "MEMORY" => "512M",
        "RETRIES" => "5",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Loads what must load.
pub(crate) fn load(text: &str) -> Project {
    Project::load(text, &lookup).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"))
}

/// A service name.
pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::try_from(text).expect("a service name")
}

/// One service with nearly everything.
pub(crate) const FULL: &str = r#"
version: "3.9"
name: shop
x-common: &common
  restart: unless-stopped
  logging: { driver: json-file, options: { max-size: 10m, max-file: "3" } }
services:
  web:
    <<: *common
    image: nginx:${TAG:?set a tag}
    command: nginx -g 'daemon off;'
    entrypoint: [/init]
    environment:
      PASSWORD: ${DB_PASSWORD}
      URL: postgres://app:${DB_PASSWORD}@db/app
      PLAIN: on
      EMPTY: ""
      NUMBER: 8080
      FLAG: true
      PASSED:
      DOLLAR: $$5
    labels: [a=b, c]
    ports:
      - "127.0.0.1:${SITE_PORT}:80"
      - 5353:53/udp
      - 9000
      - 3000-3001:4000-4001
      - "[::1]:443:443"
      - { target: 8443, published: 8443, host_ip: 127.0.0.1, protocol: tcp, mode: host, name: admin }
    expose: ["7000", 7001-7002/udp]
    volumes:
      - ./files/x.conf:/etc/nginx/conf.d/x.conf:ro
      - data:/var/lib/app
      - /var/cache/app
      - /etc/localtime:/etc/localtime:ro
      - { type: bind, source: ./files/long, target: /long, read_only: true, bind: { create_host_path: false, propagation: rslave } }
      - { type: tmpfs, target: /scratch, tmpfs: { size: 64m } }
      - { type: volume, source: shared, target: /shared, volume: { nocopy: true, subpath: a } }
    tmpfs: /run:size=16m,mode=1777,noexec
    networks:
      default:
      front: { aliases: [shop] }
    depends_on:
      db: { condition: service_healthy, restart: true }
      cache: { condition: service_started, required: false }
    healthcheck:
      test: [CMD, curl, -f, http://localhost/]
      interval: 1m30s
      timeout: 5s
      retries: ${RETRIES}
      start_period: 10s
      start_interval: 1s
    user: "1000:1000"
    group_add: [audio, 44]
    working_dir: /srv
    hostname: shop
    read_only: true
    init: true
    privileged: false
    stdin_open: true
    tty: true
    cap_add: [NET_BIND_SERVICE]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    shm_size: 128m
    ulimits: { nproc: 65535, nofile: { soft: 20000, hard: 40000 } }
    sysctls: { net.core.somaxconn: 1024 }
    extra_hosts: ["host.docker.internal:host-gateway"]
    dns: 9.9.9.9
    dns_search: [example.org]
    stop_signal: SIGQUIT
    stop_grace_period: 1m
    mem_limit: ${MEMORY:-256M}
    cpus: 0.5
    pids_limit: 100
    deploy:
      replicas: 1
      resources:
        limits: { memory: 512M, cpus: "0.5", pids: 100 }
        reservations: { memory: 64M }
    secrets:
      - token
      - { source: token, target: renamed, uid: "1000", gid: "1000", mode: 0440 }
    configs:
      - { source: app, target: /etc/app.yaml }
    pull_policy: missing
    platform: linux/amd64
  db:
    <<: *common
    image: postgres:17-alpine
    environment: ["POSTGRES_PASSWORD=${DB_PASSWORD}", PASSED]
    healthcheck: { test: "pg_isready -U app || exit 1" }
    volumes: [data-db:/var/lib/postgresql/data]
  cache:
    image: redis
    command: ["redis-server", "--requirepass", "${DB_PASSWORD}"]
    network_mode: none
    restart: "no"
  debug:
    image: busybox
    profiles: [tools]
    depends_on: [db]
networks:
  front: { internal: true, driver: bridge, driver_opts: { com.docker.network.bridge.name: br0 } }
  elsewhere: { external: true, name: proxy }
volumes:
  data:
  data-db: { labels: { keep: "yes" } }
  shared: { external: true, name: shared-by-all }
secrets:
  token: { environment: TOKEN }
configs:
  app: { content: "port: ${SITE_PORT}\n" }
x-note: "not ${interpolated}"
"#;

/// Small files, each with something of its own.
pub(crate) const GOOD: &[&str] = &[
    "services: {a: {image: x}}\n",
    "services:\n  a: {image: x, healthcheck: {disable: true}}\n",
    "services:\n  a: {image: x, healthcheck: {test: [NONE]}}\n",
    "services:\n  a: {image: x, healthcheck: {test: [CMD-SHELL, 'a || b']}}\n",
    "services:\n  a: {image: x, entrypoint: [], command: ''}\n",
    "services:\n  a: {image: x, restart: 'on-failure:3'}\n",
    "services:\n  a: {image: x, extra_hosts: {h: 192.0.2.1}}\n",
    "services:\n  a: {image: x, extra_hosts: ['h=::1']}\n",
    "services:\n  a: {image: x, tmpfs: [/a, '/b:ro']}\n",
    "services:\n  a: {image: x, ulimits: {nofile: -1}}\n",
    "services:\n  a: {image: x, environment: {A: '0755', B: 1.5, C: -3, D: 'null'}}\n",
    "services:\n  a: {image: 'ghcr.io/a/b:1.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}\n",
    "services:\n  a: {image: x, volumes: ['./:/srv']}\n",
    "services:\n  a: {image: x, secrets: [s]}\nsecrets: {s: {file: ./secret.txt}}\n",
    "services:\n  a: {image: x, configs: [c]}\nconfigs: {c: {file: ./c, x-y: 1}}\n",
    "services:\n  a: {image: x, x-any: {thing: 1}}\n",
    "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x}\n",
    "services:\n  a: {image: x, ports: ['53:53/udp', '53:53/tcp']}\n",
    "services:\n  a: {image: x, ports: ['127.0.0.1:80:80']}\n  b: {image: x, ports: ['127.0.0.2:80:80']}\n",
    "services:\n  a: {image: x, networks: {default: {aliases: [b]}}}\n",
    "services:\n  a: {image: x, deploy: {resources: {limits: {cpus: 1.5}}}}\n",
    "services:\n  a: {image: x, devices: [/dev/null, '/dev/zero:/dev/z:r', '/dev/full:rw'], device_cgroup_rules: ['c 1:3 mr']}\n",
    "services:\n  a: {image: x, ipc: shareable, uts: host, userns_mode: host, cgroup: private}\n  b: {image: x, ipc: 'service:a', pid: 'service:a', network_mode: 'service:a'}\n",
    "services:\n  a: {image: x, cpu_shares: 512, cpuset: '0-1', cpu_period: 100000, cpu_quota: 50ms, memswap_limit: -1, mem_swappiness: 10, oom_score_adj: 100, oom_kill_disable: false}\n",
    "services:\n  a: {image: x, domainname: example.com, runtime: runc, cgroup_parent: /x, storage_opt: {size: 1G}, scale: 1}\n",
    "services:\n  a: {image: x, networks: {n: {ipv4_address: 10.9.0.5, ipv6_address: 'fd00::5', link_local_ips: [169.254.1.1], priority: 10, driver_opts: {a: b}}}}\nnetworks:\n  n: {enable_ipv6: true, ipam: {driver: default, config: [{subnet: 10.9.0.0/24, ip_range: 10.9.0.0/25, gateway: 10.9.0.1, aux_addresses: {h: 10.9.0.9}}, {subnet: 'fd00::/64'}], options: {a: b}}}\n",
    "services:\n  a: {image: x, extends: b, labels: {k: v}}\n  b: {image: y, labels: [k=w]}\n",
    "services:\n  a: {image: x, network_mode: bridge}\n",
    "services:\n  a: {image: x, labels: {x-a: b}, environment: {x-b: c}}\n  x-name: {image: y}\n",
];
