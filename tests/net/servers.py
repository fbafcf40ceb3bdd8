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


def nginx_config(directory, certificates, trusted):
    """The whole configuration of the one nginx."""
    ports = plan.ports()
    blocks = [HEAD.format(directory=directory)]

    def server(service, leaf, *, default=False, names=(), stem=None, refuse=False, extra=""):
        lines = [f"listen {ports[service, leaf]} ssl"
                 + (" default_server backlog=16384;" if default else ";")]
        lines += [f"server_name {' '.join(names)};"] if names else []
        if refuse:
            lines.append("ssl_reject_handshake on;")
        if stem or not refuse:
            stem = stem or f"{service}-{leaf}"
            lines += [f"ssl_certificate {certificates / stem}.pem;",
                      f"ssl_certificate_key {certificates / stem}.key;"]
        lines += [extra] if extra else []
        lines.append(f'return 200 "{service} {leaf}\\n";')
        blocks.append("    server {\n        " + "\n        ".join(lines) + "\n    }\n")

    for (service, leaf) in ports:
        if service in ("ecdsa", "rsa", "bare", "huge", "self_signed", "expired", "page"):
            server(service, leaf, default=True)
        elif service == "tls13":
            server(service, leaf, default=True, extra="ssl_protocols TLSv1.3;")
        elif service == "named":
            server(service, leaf, default=True)
            server(service, leaf, names=plan.NAMED_TRUSTED, stem=f"named-{leaf}-other")
            server(service, leaf, names=plan.NAMED_SELF_SIGNED, stem=f"named-{leaf}-default")
        elif service == "picky":
            # nginx asks the default server when there is no name, and the pattern for any other.
            server(service, leaf, default=True)
            server(service, leaf, names=[own_name(service, leaf)])
            server(service, leaf, names=["~."], refuse=True)
        elif service == "strict":
            server(service, leaf, default=True, refuse=True)
            server(service, leaf, names=[own_name(service, leaf)])
        elif service == "http":
            blocks.append(f"    server {{\n        listen {ports[service, leaf]};\n"
                          '        return 200 "http\\n";\n    }\n')
    return "".join(blocks) + "}\n"


def nft_rules(hosts):
    """Which server answers where."""
    ports = plan.ports()
    places = {host.ip: ports[host.service, host.leaf] for host in hosts
              if plan.SERVICES[host.service].leaves}
    places[plan.PAGE_ADDRESS] = ports["page", 0]
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


def oddity_ports():
    """The command line of oddities.py: BEHAVIOUR=PORT, and for the dribble whom it relays."""
    ports = plan.ports()
    return [f"{name}={ports[name, 0]}" for name in ("mute", "slam", "hang_up", "dribble")] + [
        f"behind-dribble={ports['ecdsa', 0]}"]
