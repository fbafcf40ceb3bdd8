// SPDX-License-Identifier: Apache-2.0
// How the store's records lie on disk: format version 3.
//
//   key          := meta | round | names | hosts | page | discovered | host | pair | certificate
//                 | interceptor | trace
//   meta         := "m" "format version"              -> u32, the same in all versions to come
//   round        := "r" number                        -> ROUND
//   names        := "n" number                        -> [* server-name], the columns of the round
//   hosts        := "a" number                        -> (address hello-index)*, the rows of the
//                                                        round
//   page         := "g" number page-index             -> STATE*, PairMatrix::page_bytes of them, or
//                                                        fewer on the last page
//   discovered   := "d" number address                -> u8, a HostStatus
//   host         := "h" address port                  -> HOST
//   pair         := "p" address port question         -> PAIR
//   certificate  := "c" sha-256                       -> DER of the certificate
//   interceptor  := "i" sha-256 of the public key     -> INTERCEPTOR
//   trace        := "t" address port question         -> TRACE
//
//   number       := u32, of a round       page-index := u32
//   address      := u32, an IPv4 address  port       := u16
//   question     := server-name NUL hello, the rest of the key: NUL is in no server-name, so that
//                   a name's pairs stand together, before those of all longer names
//   hello        := the name of a ClientHello
//   hello-index  := u8, in the hellos of the ROUND
//   sha-256      := 32 bytes
//   STATE        := u8, a PairState (store/pair_matrix.h)
//
// Integers in keys, and in values that are not CBOR, are big-endian, so that keys sort as their
// numbers do: one host's pairs, one round's pages are a range.
//
// The other values are CBOR (RFC 8949) of definite lengths without tags. Every field below must be
// there, but those with a question mark, and no others. Times are Unix milliseconds; enums are
// their numbers; digest is a byte string of 32; what the key says is not said again.
//
//   ROUND        := { st: stage, pa: pass, po: position, t0: started, t1: last checkpoint,
//                     t2: ended, va: vantage, he: [* hello], se: seed, co: controls,
//                     pd: plan digest, pt: port, cn: { * name: counter } }
//   HOST         := { st: status, re: reason, as: AS number, cm: control mode, ow: own name,
//                     rv: refusal verdict, rd: refusal detail, he: hello, bl: [* digest],
//                     su: subject, is: issuer, tv: TLS version, cs: cipher suite,
//                     sx: [* type of a ServerHello's extension], rn: round, t0: first seen,
//                     t1: last seen }
//   PAIR         := { t0: first seen, t1: last seen, ct: count, tr: [* TRY], ? se: SETTLEMENT,
//                     ch: [* CHANGE] }
//   TRY          := { rn: round, v: verdict, d: detail, cc: controls before and after (bool),
//                     sf: stateful (bool), t: time, ? l: leaf digest, ? ik: issuer key digest,
//                     ch: [* digest], is: issuer, ? ev: EVIDENCE }
//   SETTLEMENT   := { rn: round, t: time, sd: settled (bool), v: verdict, i: interference,
//                     at: attempts, ag: agreeing, sf: stateful (bool), sb: stable (bool),
//                     ? ic: interceptor digest, va: vantage, as: AS number,
//                     ? bl: baseline digest }
//   CHANGE       := { rn: round, t: time, v: verdict, i: interference, ? l: leaf digest,
//                     ? ik: issuer key digest }
//   EVIDENCE     := { su: subject equal, sa: SAN equal, sc: SAN contained, kr: key replaced,
//                     ky: key, nb: notBefore shift, na: notAfter shift, sp: serial prefix bits,
//                     sb: serial bits, xr: [* text], xa: [* text], ie: issuer equal,
//                     nm: names asked, tr: trusted, an: anchored }
//   INTERCEPTOR  := { is: issuer, la: label, hs: hosts, an: autonomous systems, lv: leaves,
//                     fl: forging leaves, pr: pairs, sn: [* text], t0: first seen, t1: last seen,
//                     ch: [* digest] }
//   TRACE        := { rn: round, t: time, oc: outcome, mo: mode, va: vantage, it: injection TTL,
//                     ht: host TTL, hb: hop before, ha: hop after, ab: AS before, aa: AS after,
//                     ru: runs, ag: agreeing, rt: [* TTL], pl: placement,
//                     te: terminating (bool), tc: TTL copied (bool), pc: path changed (bool),
//                     rw: bits of what was rewritten, rh: TTL of the hop that showed it first,
//                     co: connections, hl: hellos, fl: [* FLOW] }
//   FLOW         := { sp: source port, it: injection TTL, ht: host TTL, pa: [* address] }
//
// sx, rt, fl and pa are no longer than limits.h allows.
//
// What commits add to hosts, pairs and pages goes in as operands of the merge (store/merge.h):
//
//   host operand := { op: 1, v: HOST }
//   pair operand := { op: 2, v: TRY } | { op: 3, v: SETTLEMENT }
//   page operand := u16 size of the page less one, then (u16 offset, u8 length less one, STATE)*
//
// and a value that a merge could not make sense of becomes a wreck that keeps all of it:
//
//   wreck        := { wreck: [* bytes] }
//
// Everything that reads is total: any bytes give a record or a std::runtime_error that names the
// key.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/store/pair_matrix.h"
#include "engine/store/records.h"

namespace steppe::schema {

// The first byte of a key. On disk.
enum class Kind : char {
  meta = 'm',
  round = 'r',
  names = 'n',
  hosts = 'a',
  page = 'g',
  discovered = 'd',
  host = 'h',
  pair = 'p',
  certificate = 'c',
  interceptor = 'i',
  trace = 't',
};

std::string version_key();
std::string round_key(uint32_t round);
std::string names_key(uint32_t round);
std::string hosts_key(uint32_t round);
std::string page_key(uint32_t round, uint32_t index);
std::string discovered_key(uint32_t round, uint32_t address);
std::string host_key(uint32_t address, uint16_t port);
std::string pair_key(const PairKey& key);  // REQUIRES a name without NUL; trace_key() too
std::string certificate_key(const Digest& digest);
std::string interceptor_key(const Digest& spki);
std::string trace_key(const PairKey& key);
// What the keys of a kind begin with: of one round, one address.
std::string prefix(Kind kind);
std::string prefix(Kind kind, uint32_t number);

// Throw std::runtime_error where the key is not of that kind.
uint32_t read_round_key(std::string_view key);
std::pair<uint32_t, uint32_t> read_numbers_key(std::string_view key);  // page, discovered
std::pair<uint32_t, uint16_t> read_host_key(std::string_view key);
PairKey read_pair_key(std::string_view key);   // pair, trace
Digest read_digest_key(std::string_view key);  // certificate, interceptor

// A key in words, for messages: "pair 192.0.2.1:443 example.org (tls12)", "page 3 of round 1".
// Total.
std::string describe(std::string_view key);
// Throws std::runtime_error "broken record: <the key in words>: <what>".
[[noreturn]] void broken(std::string_view key, const std::string& what);

std::string encode_version(uint32_t version);
std::string encode(const RoundRecord& record);                    // without names and hosts
std::string encode_names(const std::vector<std::string>& names);  // REQUIRES names without NUL
// By row; REQUIRES as many hellos, indices into the round's.
std::string encode_hosts(std::span<const uint32_t> addresses, std::span<const uint8_t> hellos);
std::string encode(const HostRecord& record);  // REQUIRES lists within limits.h
std::string encode(const PairRecord& record);
std::string encode(const InterceptorRecord& record);
std::string encode(const TraceRecord& record);  // REQUIRES lists within limits.h

uint32_t decode_version(std::string_view key, std::string_view value);
RoundRecord decode_round(std::string_view key, std::string_view value);
std::vector<std::string> decode_names(std::string_view key, std::string_view value);
// Sets the round's hosts and host_hellos; its hellos must be there already.
void decode_hosts(std::string_view key, std::string_view value, RoundRecord& round);
HostStatus decode_discovered(std::string_view key, std::string_view value);
HostRecord decode_host(std::string_view key, std::string_view value);
PairRecord decode_pair(std::string_view key, std::string_view value);
InterceptorRecord decode_interceptor(std::string_view key, std::string_view value);
TraceRecord decode_trace(std::string_view key, std::string_view value);

std::string encode_operand(const HostRecord& record);
std::string encode_operand(const TryRecord& record);
std::string encode_operand(const SettlementRecord& record);
std::string encode_operand(size_t page_size, std::span<const PageRun> changes);
HostRecord decode_host_operand(std::string_view key, std::string_view operand);
std::variant<TryRecord, SettlementRecord> decode_pair_operand(std::string_view key,
                                                              std::string_view operand);
// Writes the changes into a page; false if the operand is broken or for a page of another size.
bool apply_page_operand(std::string_view operand, std::string& page);
// The size of the page that an operand is for; nullopt if it is broken.
std::optional<size_t> page_operand_size(std::string_view operand);

// The wreck of a value (or of an earlier wreck) and the operands that did not go with it.
std::string encode_wreck(std::optional<std::string_view> value,
                         std::span<const std::string_view> operands);

}  // namespace steppe::schema
