// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/outputs/samples.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace steppe {

namespace {
constexpr uint32_t host_a = 0xC6336407;  // 198.51.100.7
constexpr uint32_t host_b = 0xC6336408;
constexpr int64_t start_ms = 1'563'890'759'120;
}  // namespace

Digest digest_of(uint8_t byte) {
  Digest digest;
  digest.fill(byte);
  return digest;
}

Evidence forged_evidence() {
  Evidence evidence;
  evidence.subject_equal = evidence.san_equal = evidence.san_contained = true;
  evidence.key_replaced = true;
  evidence.key = "rsa-2048 e=3";
  evidence.not_before_shift_s = evidence.not_after_shift_s = -21600;
  evidence.serial_equal_prefix_bits = 96;
  evidence.serial_bits = 128;
  evidence.extensions_removed = {"authorityKeyIdentifier", "keyUsage"};
  return evidence;
}

PairView injected_pair() {
  PairView pair;
  pair.key = {host_a, 443, "facebook.com", "tls12"};
  pair.state = {Verdict::injected, Interference::yes, true};
  pair.attempts = pair.agreeing = 3;
  pair.first_seen_ms = start_ms;
  pair.last_seen_ms = start_ms + 880;
  pair.leaf = digest_of(0x11);
  pair.baseline = digest_of(0x22);
  pair.interceptor = digest_of(0x33);
  pair.issuer = "C=KZ,CN=Security Certificate";
  pair.evidence = forged_evidence();
  pair.as_number = 9198;
  pair.round = 2;
  pair.vantage = "almaty";
  pair.changes = {{1, start_ms, Verdict::same, Interference::no, {}}};
  return pair;
}

HostRecord trusted_host() {
  HostRecord host;
  host.address = host_a;
  host.status = HostStatus::trusted;
  host.as_number = 9198;
  host.hello = "tls12";
  host.baseline = {digest_of(0x22), digest_of(0x44)};
  host.subject = "CN=origin.example";
  host.issuer = "CN=Some CA";
  host.tls_version = 0x0303;
  host.cipher_suite = 0xC02F;
  host.server_extensions = {0xFF01, 0x0017};
  host.round = 1;
  host.first_seen_ms = start_ms;
  host.last_seen_ms = start_ms + 1000;
  return host;
}

InterceptorRecord interceptor() {
  InterceptorRecord record;
  record.spki = digest_of(0x33);
  record.issuer = "C=KZ,CN=Security Certificate";
  record.hosts = 1;
  record.autonomous_systems = 1;
  record.leaves = 3;
  record.forging_leaves = 3;
  record.pairs = 1;
  record.server_names = {"facebook.com"};
  record.first_seen_ms = start_ms;
  record.last_seen_ms = start_ms + 2000;
  return record;
}

TraceRecord located_trace() {
  constexpr uint32_t before = 0x5C2F97D2, after = 0x5F38F35C;  // 92.47.151.210, 95.56.243.92
  TraceRecord trace;
  trace.key = {host_a, 443, "facebook.com", "tls12"};
  trace.round = 1;
  trace.time_ms = start_ms + 4000;
  trace.outcome = TraceOutcome::located;
  trace.vantage = "almaty";
  trace.injection_ttl = 5;
  trace.host_ttl = 9;
  trace.hop_before = before;
  trace.hop_after = after;
  trace.as_before = 50482;
  trace.as_after = 9198;
  trace.runs = trace.agreeing = 3;
  trace.run_ttls = {5, 5, 5};
  trace.placement = Placement::in_path;
  trace.connections = 6;
  trace.hellos = 41;
  trace.flows = {{40001, 5, 9, {0xC0000201, 0, 0xC0000203, before, after, 0, 0xC0000207}}};
  return trace;
}

RoundRecord finished_round() {
  RoundRecord round;
  round.round = 1;
  round.stage = Stage::done;
  round.started_ms = start_ms;
  round.last_checkpoint_ms = round.ended_ms = start_ms + 5000;
  round.vantage = "almaty";
  round.hellos = {"tls12", "tls13"};
  round.seed = 42;
  round.names = {"control.example", "facebook.com"};
  round.controls = 1;
  round.plan_digest = "00ff";
  round.hosts = {host_a, host_b};
  round.host_hellos = {0, 0};
  round.counters = {{"frames", 12}};
  return round;
}

std::vector<uint8_t> make_certificate(const std::string& name) {
  EVP_PKEY* key = EVP_EC_gen("prime256v1");
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 0x0a1b2c);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const uint8_t*>(name.data()),
                             static_cast<int>(name.size()), -1, 0);
  X509_set_issuer_name(certificate, subject);
  X509_sign(certificate, key, EVP_sha256());
  uint8_t* der = nullptr;
  const int length = i2d_X509(certificate, &der);
  std::vector<uint8_t> bytes(der, der + std::max(length, 0));
  OPENSSL_free(der);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return bytes;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "steppe-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::filesystem::remove_all(path_);
}

std::vector<std::string> TemporaryDirectory::list() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

void write_database(const std::string& directory) {
  Store store(directory, Store::Mode::write);
  const RoundRecord round = finished_round();
  StoreBatch batch;
  batch.put_round(round);
  batch.put_round_hosts(round.round, round.hosts, round.host_hellos);
  HostRecord host = trusted_host();
  batch.put_host(host);
  host.address = host_b;
  host.as_number = 29555;
  batch.put_host(host);
  const std::vector<uint8_t> der = make_certificate("origin.example");
  batch.put_certificate(sha256(der), der);
  batch.put_interceptor(interceptor());

  PairMatrix matrix(2, 2);
  const PairState same = {Verdict::same, Interference::no, true};
  matrix.set(0, 0, same);
  matrix.set(0, 1, {Verdict::injected, Interference::yes, true});
  matrix.set(1, 0, same);
  matrix.set(1, 1, same);
  for (const uint32_t page : matrix.take_dirty())
    batch.put_page(round.round, page, matrix.page(page));

  const PairKey key = {host_a, 443, "facebook.com", "tls12"};
  TryRecord attempt;
  attempt.outcome.verdict = Verdict::injected;
  attempt.outcome.controls_before_and_after = true;
  attempt.outcome.time_ms = start_ms + 1500;
  attempt.outcome.leaf = digest_of(0x11);
  attempt.outcome.issuer_spki = digest_of(0x33);
  attempt.round = round.round;
  attempt.chain = {digest_of(0x11)};
  attempt.issuer = "C=KZ,CN=Security Certificate";
  attempt.evidence = forged_evidence();
  for (int i = 0; i < 3; i++) {
    attempt.outcome.time_ms += 1000;
    batch.add_try(key, attempt);
  }
  SettlementRecord settlement;
  settlement.round = round.round;
  settlement.time_ms = attempt.outcome.time_ms;
  settlement.settlement = {true, Verdict::injected, Interference::yes, 3, 3, false};
  settlement.interceptor = digest_of(0x33);
  settlement.vantage = round.vantage;
  settlement.as_number = 9198;
  settlement.baseline = digest_of(0x22);
  batch.settle(key, settlement);
  batch.put_trace(located_trace());
  store.commit(batch);
}

void write_round_under(const std::string& hello, const std::string& directory) {
  Store store(directory, Store::Mode::write);
  RoundRecord round = finished_round();
  round.round = 2;
  round.hellos = {hello};
  round.hosts = {host_a};
  round.host_hellos = {0};
  StoreBatch batch;
  batch.put_round(round);
  batch.put_round_hosts(round.round, round.hosts, round.host_hellos);
  HostRecord host = trusted_host();
  host.round = round.round;
  host.hello = hello;
  batch.put_host(host);
  PairMatrix matrix(1, 2);
  const PairState same = {Verdict::same, Interference::no, true};
  matrix.set(0, 0, same);
  matrix.set(0, 1, same);
  batch.put_page(round.round, 0, matrix.page(0));
  store.commit(batch);
}

std::string read_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace steppe
