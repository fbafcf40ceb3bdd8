# SPDX-License-Identifier: Apache-2.0
"""All keys and certificates of the testbed, made by the openssl command line.

    root.pem          the one authority that a scanner of the testbed trusts (--root-cas)
    intermediate.pem  signed by it; signs every trusted leaf, and the expired ones
    forger*.pem       what sslsplit signs with: a root, an intermediate, one key for all leaves
    SERVICE-N.pem     what a server sends (the leaf first), SERVICE-N.key
"""

import concurrent.futures
import subprocess

import plan

CONFIG = """
[req]
distinguished_name = name
prompt = no
string_mask = utf8only
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[intermediate]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ballast]
basicConstraints = critical, CA:FALSE
nsComment = {ballast}
[ca]
default_ca = past
[past]
dir = {directory}
database = {directory}/past.db
new_certs_dir = {directory}
rand_serial = yes
default_md = sha256
policy = any_name
copy_extensions = copy
x509_extensions = leaf
unique_subject = no
[any_name]
commonName = supplied
organizationName = optional
countryName = optional
"""

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
RSA = ["-newkey", "rsa:2048"]

# OpenSSL's clients refuse chains above 100 KB by default (SSL_CTX_set_max_cert_list), so stay
# below.
BALLAST_BYTES, BALLAST_COUNT = 5_500, 16


class Certificates:
    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.config = directory / "openssl.cnf"
        ballast = "steppe " * (BALLAST_BYTES // len("steppe "))
        self.config.write_text(CONFIG.format(directory=directory, ballast=ballast))
        (directory / "past.db").write_text("")

    def path(self, name):
        return self.directory / name

    def run(self, *arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()}")

    def certificate(self, stem, subject, section, key=EC, signer=None, names=(), days=90):
        """Makes stem.key and stem.pem, self-signed unless there is a signer (a stem)."""
        command = ["req", "-x509", "-config", self.config, "-extensions", section, *key, "-nodes",
                   "-keyout", self.path(stem + ".key"), "-out", self.path(stem + ".pem"),
                   "-subj", subject, "-days", days]
        if signer:
            command += ["-CA", self.path(signer + ".pem"), "-CAkey", self.path(signer + ".key")]
        if names:
            command += ["-addext", "subjectAltName=" + ",".join(names)]
        self.run(*command)

    def expired(self, stem, subject, name):
        """Like certificate(), but over since last year: only `openssl ca` lets dates be given."""
        request = self.path(stem + ".csr")
        self.run("req", "-new", "-config", self.config, *EC, "-nodes", "-keyout",
                 self.path(stem + ".key"), "-out", request, "-subj", subject,
                 "-addext", "subjectAltName=DNS:" + name)
        self.run("ca", "-batch", "-notext", "-config", self.config, "-in", request, "-out",
                 self.path(stem + ".pem"), "-cert", self.path("intermediate.pem"), "-keyfile",
                 self.path("intermediate.key"), "-startdate", "20200101000000Z", "-enddate",
                 "20210101000000Z")

    def append(self, stem, *others):
        """Makes stem.pem a chain."""
        with open(self.path(stem + ".pem"), "a", encoding="ascii") as chain:
            for other in others:
                chain.write(self.path(other + ".pem").read_text(encoding="ascii"))

    def authorities(self):
        self.certificate("root", "/C=AQ/O=Steppe Testbed/CN=Testbed Root", "root", RSA, days=3650)
        self.certificate("intermediate", "/C=AQ/O=Steppe Testbed/CN=Testbed Issuing",
                         "intermediate", RSA, "root", days=1825)
        self.certificate("forger_root", "/C=AQ/O=Ministry of Looking/CN=Looking Trust Network",
                         "root", RSA, days=3650)
        self.certificate("forger", "/C=AQ/O=Ministry of Looking/CN=Looking Security Certificate",
                         "intermediate", RSA, "forger_root", days=1095)
        self.run("genrsa", "-out", self.path("forger_leaf.key"), "2048")

    def leaf(self, service, number):
        stem = f"{service}-{number}"
        name = own_name(service, number)
        subject = f"/C=AQ/O=Company {number}/CN={name}"
        names = ["DNS:" + name, "DNS:www." + name]
        if service == "self_signed":
            self.certificate(stem, subject, "leaf", names=names)
        elif service == "expired":
            self.expired(stem, subject, name)
            self.append(stem, "intermediate")
        elif service == "bare":
            self.certificate(stem, subject, "leaf", EC, "intermediate", names)
        else:
            if service == "page":
                names.append("IP:" + plan.PAGE_ADDRESS)
            self.certificate(stem, subject, "leaf", RSA if service == "rsa" else EC, "intermediate",
                             names)
            self.append(stem, "intermediate")
        if service == "named":
            self.certificate(stem + "-other", f"/C=AQ/O=Hoster/CN=sites-{number}.hoster.example",
                             "leaf", EC, "intermediate", ["DNS:" + n for n in plan.NAMED_TRUSTED])
            self.append(stem + "-other", "intermediate")
            # A key for each leaf: one key over many hosts would look like an interceptor's.
            self.certificate(stem + "-default", f"/O=Control Panel/CN=panel-{number}.invalid",
                             "leaf")
        if service == "huge":
            for extra in range(BALLAST_COUNT):
                ballast = f"{stem}-ballast-{extra}"
                self.certificate(ballast, f"/O=Ballast/CN=Ballast {extra}", "ballast")
                self.append(stem, ballast)


SERVICES_WITH_LEAVES = ["ecdsa", "rsa", "bare", "named", "picky", "huge", "self_signed", "expired",
                        "strict", "tls13", "page"]


def own_name(service, number):
    return f"{service.replace('_', '-')}-{number}.example"


def create(directory):
    """Makes everything in `directory`, which must not exist yet."""
    certificates = Certificates(directory)
    certificates.authorities()
    # `openssl ca` keeps a database, so the expired ones cannot be made side by side.
    serial = [("expired", n) for n in range(plan.SERVICES["expired"].leaves)]
    for service, number in serial:
        certificates.leaf(service, number)
    jobs = [(service, number) for service in SERVICES_WITH_LEAVES if service != "expired"
            for number in range(plan.SERVICES[service].leaves)]
    in_parallel(certificates.leaf, jobs)


def in_parallel(function, jobs):
    """function(*job) for each job; raises what one of them raised."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda job: function(*job), jobs))
