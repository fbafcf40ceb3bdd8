# SPDX-License-Identifier: Apache-2.0
"""The servers' namespace: nginx for all that is TLS, oddities.py for all that is not.

One `ip route add local` makes the namespace answer for every address; an nft map sends each address
to the port of the server (and leaf) that the plan gives it. TCP stays end to end.
"""

import plan
from certificates import own_name

HEAD = """
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log crit;
user root;
events {{
    worker_connections 8000;
    multi_accept on;
}}
http {{
    access_log off;
    client_body_temp_path {directory}/nginx-body;
    proxy_temp_path {directory}/nginx-proxy;
    fastcgi_temp_path {directory}/nginx-fastcgi;
    uwsgi_temp_path {directory}/nginx-uwsgi;
    scgi_temp_path {directory}/nginx-scgi;
    default_type text/plain;
    # Also the limit for a handshake: scanners leave some half done.
    client_header_timeout 15s;
    keepalive_timeout 5s;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ecdh_curve X25519:prime256v1;
    ssl_session_cache off;
    ssl_session_tickets off;
    server_names_hash_bucket_size 128;
"""


def nginx_config(directory, certificates, hosts):
    """The whole configuration of the one nginx."""
    ports = plan.ports(hosts)
    blocks = [HEAD.format(directory=directory)]

    def server(service, leaf, tls13, *, default=False, names=(), stem=None, refuse=False):
        lines = [f"listen {ports[service, leaf, tls13]} ssl"
                 + (" default_server backlog=16384;" if default else ";")]
        lines += ["ssl_protocols TLSv1.3;"] if tls13 else []
        lines += [f"server_name {' '.join(names)};"] if names else []
        if refuse:
            lines.append("ssl_reject_handshake on;")
        if stem or not refuse:
            stem = stem or f"{service}-{leaf}"
            lines += [f"ssl_certificate {certificates / stem}.pem;",
                      f"ssl_certificate_key {certificates / stem}.key;"]
        lines.append(f'return 200 "{service} {leaf}\\n";')
        blocks.append("    server {\n        " + "\n        ".join(lines) + "\n    }\n")

    for each in ports:
        service, leaf, _ = each
        if service in ("ecdsa", "rsa", "bare", "huge", "self_signed", "expired", "tls13", "page"):
            server(*each, default=True)
        elif service == "named":
            server(*each, default=True)
            server(*each, names=plan.NAMED_TRUSTED, stem=f"named-{leaf}-other")
            server(*each, names=plan.NAMED_SELF_SIGNED, stem=f"named-{leaf}-default")
        elif service == "picky":
            # nginx asks the default server when there is no name, and the pattern for any other.
            server(*each, default=True)
            server(*each, names=[own_name(service, leaf)])
            server(*each, names=["~."], refuse=True)
        elif service == "strict":
            server(*each, default=True, refuse=True)
            server(*each, names=[own_name(service, leaf)])
        elif service == "http":
            blocks.append(f"    server {{\n        listen {ports[each]};\n"
                          '        return 200 "http\\n";\n    }\n')
    return "".join(blocks) + "}\n"


def nft_rules(hosts):
    """Which server answers where."""
    ports = plan.ports(hosts)
    places = {host.ip: ports[host.server] for host in hosts
              if plan.SERVICES[host.service].leaves}
    places[plan.PAGE_ADDRESS] = ports["page", 0, False]
    silent = plan.cidrs(host.address for host in hosts if host.service == "silent")
    elements = ", ".join(f"{address} : {port}" for address, port in places.items())
    return f"""
table ip testbed {{
    map place {{ type ipv4_addr : inet_service; elements = {{ {elements} }} }}
    set silent {{ type ipv4_addr; flags interval; elements = {{ {", ".join(silent)} }} }}
    chain early {{
        type filter hook prerouting priority raw; policy accept;
        ip daddr @silent drop
    }}
    chain serve {{
        type nat hook prerouting priority dstnat; policy accept;
        tcp dport 443 redirect to :ip daddr map @place
    }}
}}
"""


def oddity_ports(hosts):
    """The command line of oddities.py: BEHAVIOUR=PORT, and dribble=PORT:WHOM IT RELAYS."""
    ports = plan.ports(hosts)
    words = [f"{name}={ports[name, 0, False]}" for name in ("mute", "slam", "hang_up")]
    for (name, _, tls13), port in ports.items():
        if name == "dribble":
            behind = next(port for (service, _, same), port in ports.items()
                          if service == "ecdsa" and same == tls13)
            words.append(f"dribble={port}:{behind}")
    return words
