// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/tls_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>

#include "tests/unit/wire/flight_builder.h"
#include "tests/unit/wire/tls_reference.h"

namespace steppe::testing {
namespace {

constexpr size_t whole = SIZE_MAX;

TlsAnswer feed(const Bytes& stream, const Bytes& expected_leaf, size_t piece_bytes = whole) {
  return feed_in_pieces(stream, expected_leaf, [&] { return piece_bytes; });
}

TlsProgress progress(const Bytes& stream, const Bytes& expected_leaf = {}) {
  return feed(stream, expected_leaf).progress;
}

Bytes text(std::string_view words) {
  return {words.begin(), words.end()};
}

const Bytes leaf = noise(1234, 1);
const Bytes intermediate = noise(1100, 2);
const Bytes root = noise(900, 3);

TEST(TlsStream, SaysSameAtTheLeafsLastByte) {
  const Bytes stream = flight({leaf, intermediate});
  const size_t leaf_end = 5 + server_hello().size() + 4 + 3 + 3 + leaf.size();
  EXPECT_EQ(feed(stream, leaf, 1), (TlsAnswer{TlsProgress::same, leaf_end}));
  EXPECT_EQ(
      progress(Bytes(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(leaf_end)), leaf),
      TlsProgress::same);
  EXPECT_EQ(
      progress(Bytes(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(leaf_end - 1)), leaf),
      TlsProgress::more);
}

TEST(TlsStream, WaitsForTheWholeChainOfAnotherLeaf) {
  const Bytes stream = flight({root, intermediate});
  const size_t end = 5 + server_hello().size() + 4 + 3 + 3 + root.size() + 3 + intermediate.size();
  EXPECT_EQ(feed(stream, leaf, 1), (TlsAnswer{TlsProgress::certificate, end}));
}

TEST(TlsStream, SaysCertificateWhereNoLeafIsExpected) {
  EXPECT_EQ(progress(flight({leaf, intermediate})), TlsProgress::certificate);
}

TEST(TlsStream, AnswersAnEmptyListWithCertificate) {
  EXPECT_EQ(progress(flight({})), TlsProgress::certificate);
  EXPECT_EQ(progress(flight({}), leaf), TlsProgress::certificate);
}

TEST(TlsStream, SeesOneChangedByteOfTheLeaf) {
  for (const size_t at : {size_t{0}, leaf.size() / 2, leaf.size() - 1}) {
    Bytes other = leaf;
    other[at] ^= 0x01;
    for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, size_t{617}, size_t{1000}, whole}) {
      EXPECT_EQ(feed(flight({other, intermediate}), leaf, piece).progress, TlsProgress::certificate)
          << "byte " << at << ", pieces of " << piece;
    }
  }
}

TEST(TlsStream, TakesNoPrefixForTheLeaf) {
  const Bytes shorter(leaf.begin(), leaf.end() - 1);
  Bytes longer = leaf;
  longer.push_back(0);
  EXPECT_EQ(progress(flight({shorter}), leaf), TlsProgress::certificate);
  EXPECT_EQ(progress(flight({longer}), leaf), TlsProgress::certificate);
  EXPECT_EQ(progress(flight({{leaf[0]}}), leaf), TlsProgress::certificate);
}

TEST(TlsStream, LooksForTheLeafInTheFirstPlaceOnly) {
  EXPECT_EQ(progress(flight({intermediate, leaf}), leaf), TlsProgress::certificate);
}

TEST(TlsStream, ReadsMessagesOverAnyRecords) {
  for (size_t record_bytes = 1; record_bytes < 300; ++record_bytes) {
    EXPECT_EQ(progress(flight({leaf, intermediate}, record_bytes), leaf), TlsProgress::same);
    EXPECT_EQ(progress(flight({root, intermediate}, record_bytes), leaf), TlsProgress::certificate);
  }
  const Bytes one_a_record = join({records(server_hello()), records(certificate({leaf}))});
  EXPECT_EQ(progress(one_a_record, leaf), TlsProgress::same);
}

TEST(TlsStream, ReadsAChainOf100Kilobytes) {
  std::vector<Bytes> chain{leaf};
  while (chain.size() < 85) chain.push_back(noise(1200, static_cast<uint32_t>(chain.size())));
  const Bytes stream = flight(chain);
  ASSERT_GT(stream.size(), 100'000u);
  for (const size_t piece : {size_t{1}, size_t{536}, size_t{1460}, whole}) {
    EXPECT_EQ(feed(stream, leaf, piece).progress, TlsProgress::same);
    EXPECT_EQ(feed(stream, root, piece).progress, TlsProgress::certificate);
  }
  // The leaf itself may be long as well, beyond a record and beyond 16 bits.
  const Bytes long_leaf = noise(100'000, 9);
  Bytes other = long_leaf;
  other[99'999] ^= 0x80;
  EXPECT_EQ(feed(flight({long_leaf}), long_leaf, 1460).progress, TlsProgress::same);
  EXPECT_EQ(feed(flight({other}), long_leaf, 1460).progress, TlsProgress::certificate);
}

TEST(TlsStream, SkipsWhatStandsBeforeTheCertificate) {
  const Bytes supplemental_data = message(23, noise(77, 5));
  const Bytes empty = message(99, {});
  EXPECT_EQ(progress(records(join({server_hello(), supplemental_data, empty, certificate({leaf})})),
                     leaf),
            TlsProgress::same);
}

TEST(TlsStream, SaysWhenTheServerHasNoCertificate) {
  const Bytes messages = join({server_hello(), server_key_exchange(), server_hello_done()});
  EXPECT_EQ(progress(records(messages), leaf), TlsProgress::no_certificate);
  EXPECT_EQ(progress(records(join({server_hello(), message(14, {0})}))), TlsProgress::not_tls);
}

TEST(TlsStream, TakesEveryVersionThatShowsItsCertificate) {
  for (const uint16_t version : {0x0300, 0x0301, 0x0302, 0x0303}) {
    EXPECT_EQ(progress(records(join({server_hello(version), certificate({leaf})})), leaf),
              TlsProgress::same);
  }
  for (const uint16_t version : {0x0304, 0x0400, 0x0203, 0xfefd, 0x7f1c}) {
    EXPECT_EQ(progress(records(server_hello(version))), TlsProgress::not_tls);
  }
}

TEST(TlsStream, RefusesTls13ThatNobodyOffered) {
  const Bytes change_cipher_spec = record(20, {1});
  const Bytes encrypted = record(23, noise(500, 4));
  EXPECT_EQ(progress(join({records(server_hello()), change_cipher_spec, encrypted})),
            TlsProgress::not_tls);
  EXPECT_EQ(progress(join({records(server_hello()), encrypted})), TlsProgress::not_tls);
}

TEST(TlsStream, WantsServerHelloFirstAndOnce) {
  EXPECT_EQ(progress(records(certificate({leaf})), leaf), TlsProgress::not_tls);
  EXPECT_EQ(progress(records(message(1, noise(200, 6)))), TlsProgress::not_tls);  // an echo
  EXPECT_EQ(progress(records(join({server_hello(), server_hello()}))), TlsProgress::not_tls);
  EXPECT_EQ(progress(records(message(2, Bytes(37, 3)))), TlsProgress::not_tls);
}

TEST(TlsStream, NamesTheFatalAlert) {
  EXPECT_EQ(feed(alert(2, 70), {}), (TlsAnswer{TlsProgress::alert, 7, 70}));
  EXPECT_EQ(feed(alert(2, 40), {}, 1), (TlsAnswer{TlsProgress::alert, 7, 40}));
  EXPECT_EQ(feed(join({records(server_hello()), alert(2, 80)}), {}).alert_description, 80);
  // Over two records, with half a message between its bytes.
  const Bytes split =
      join({record(alert_record, {2}), records(server_hello(), 1000), record(alert_record, {112})});
  EXPECT_EQ(feed(split, {}), (TlsAnswer{TlsProgress::alert, split.size(), 112}));
}

TEST(TlsStream, PassesOverWarnings) {
  const Bytes rest = flight({leaf});
  EXPECT_EQ(progress(join({alert(1, 112), rest}), leaf), TlsProgress::same);
  EXPECT_EQ(progress(join({alert(1, 112), alert(1, 90), rest}), leaf), TlsProgress::same);
  EXPECT_EQ(progress(join({record(alert_record, {1, 112, 1, 90}), rest}), leaf), TlsProgress::same);
  EXPECT_EQ(feed(join({record(alert_record, {1, 112, 2, 40}), rest}), leaf).alert_description, 40);
  // In the middle of a message, as RFC 5246 6.2.1 forbids for handshake records only.
  const Bytes hello = server_hello();
  const auto half = hello.begin() + 20;
  EXPECT_EQ(progress(join({record(handshake_record, Bytes(hello.begin(), half)), alert(1, 112),
                           record(handshake_record, Bytes(half, hello.end())),
                           records(certificate({leaf}))}),
                     leaf),
            TlsProgress::same);
}

TEST(TlsStream, TakesCloseNotifyForAnEnd) {
  EXPECT_EQ(feed(alert(1, 0), {}), (TlsAnswer{TlsProgress::alert, 7, 0}));
  EXPECT_EQ(feed(join({alert(1, 90), alert(1, 0)}), {}), (TlsAnswer{TlsProgress::alert, 14, 0}));
}

TEST(TlsStream, RefusesAlertsOfNoLevel) {
  EXPECT_EQ(feed(alert(0, 0), {}, 1), (TlsAnswer{TlsProgress::not_tls, 6}));
  EXPECT_EQ(feed(alert(3, 40), {}, 1), (TlsAnswer{TlsProgress::not_tls, 6}));
}

TEST(TlsStream, KnowsTextByItsFirstByte) {
  for (const char* words : {"HTTP/1.1 400 Bad Request\r\n", "<html>", "SSH-2.0-OpenSSH_9.2\r\n",
                            "220 mail ESMTP\r\n", "\n"}) {
    EXPECT_EQ(feed(text(words), {}, 1), (TlsAnswer{TlsProgress::not_tls, 1})) << words;
    EXPECT_EQ(progress(text(words)), TlsProgress::not_tls) << words;
  }
}

TEST(TlsStream, RefusesRecordsThatCannotPrecedeACertificate) {
  for (int type = 0; type < 256; ++type) {
    const TlsProgress answer = progress({static_cast<uint8_t>(type)});
    EXPECT_EQ(answer, type == 21 || type == 22 ? TlsProgress::more : TlsProgress::not_tls) << type;
  }
  EXPECT_EQ(feed({22, 2}, {}), (TlsAnswer{TlsProgress::not_tls, 2}));
  EXPECT_EQ(progress({22, 3, 1, 0x48, 0x00}), TlsProgress::more);
  EXPECT_EQ(progress({22, 3, 1, 0x48, 0x01}), TlsProgress::not_tls);
  EXPECT_EQ(progress({22, 3, 1, 0x49}), TlsProgress::not_tls);
  EXPECT_EQ(progress({22, 3, 1, 0, 0}), TlsProgress::not_tls);
  EXPECT_EQ(progress({21, 3, 1, 0, 0}), TlsProgress::not_tls);
}

TEST(TlsStream, RefusesLengthsThatContradictEachOther) {
  const auto certificate_of = [](const Bytes& body) {
    return progress(records(join({server_hello(), message(11, body)})), leaf);
  };
  Bytes list = certificate_list({leaf});
  list[2] ^= 1;  // list against message
  EXPECT_EQ(certificate_of(list), TlsProgress::not_tls);
  list = certificate_list({leaf});
  list[5] += 1;  // certificate beyond list
  EXPECT_EQ(certificate_of(list), TlsProgress::not_tls);
  EXPECT_EQ(certificate_of({}), TlsProgress::not_tls);
  EXPECT_EQ(certificate_of({0, 0}), TlsProgress::not_tls);
  EXPECT_EQ(certificate_of({0, 0, 2, 0, 0}), TlsProgress::not_tls);     // no room for a length
  EXPECT_EQ(certificate_of({0, 0, 3, 0, 0, 0}), TlsProgress::not_tls);  // an empty certificate
  // The same behind the leaf.
  list = join({number24(3 + root.size() + 3), number24(root.size()), root, {0, 0, 1}});
  EXPECT_EQ(certificate_of(list), TlsProgress::not_tls);
}

// Any split of any stream gives the same answer at the same byte as the slow reader that sees all
// of it at once: streams of every make, whole, truncated, with a few bytes changed, or with a piece
// cut out or doubled.
class AnySplit : public ::testing::Test {
 protected:
  size_t below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }
  bool one_in(size_t count) { return below(count) == 0; }

  Bytes small_noise(size_t limit) {
    return noise(below(limit), static_cast<uint32_t>(below(1000)));
  }

  Bytes any_messages(const Bytes& expected) {
    Bytes messages = one_in(20) ? Bytes{} : server_hello(one_in(10) ? 0x0304 : 0x0303);
    while (one_in(4))
      messages = join({messages, message(static_cast<uint8_t>(below(30)), small_noise(40))});
    std::vector<Bytes> chain;
    if (!one_in(10)) chain.push_back(one_in(2) ? expected : small_noise(60));
    if (!chain.empty() && one_in(4)) chain[0] = expected, chain[0][below(expected.size())] ^= 1;
    while (one_in(2)) chain.push_back(small_noise(50));
    if (!one_in(8)) messages = join({messages, certificate(chain)});
    return join({messages, server_key_exchange(), server_hello_done()});
  }

  Bytes any_stream(const Bytes& expected) {
    const Bytes messages = any_messages(expected);
    Bytes stream;
    for (size_t at = 0; at < messages.size();) {
      while (one_in(10)) {
        const uint8_t level = one_in(4) ? 2 : 1;
        stream = join({stream, one_in(3) ? record(alert_record, {level})
                                         : alert(level, static_cast<uint8_t>(below(120)))});
      }
      const size_t length = std::min(messages.size() - at, 1 + below(one_in(2) ? 12 : 600));
      const auto begin = messages.begin() + static_cast<ptrdiff_t>(at);
      stream = join(
          {stream, record(handshake_record, Bytes(begin, begin + static_cast<ptrdiff_t>(length)))});
      at += length;
    }
    for (size_t changes = one_in(2) ? below(4) : 0; changes > 0; --changes) {
      stream[below(stream.size())] = static_cast<uint8_t>(one_in(2) ? below(256) : below(4));
    }
    if (one_in(4)) stream.resize(below(stream.size() + 1));
    if (one_in(6) && !stream.empty()) {
      const auto from = stream.begin() + static_cast<ptrdiff_t>(below(stream.size()));
      stream.erase(from,
                   from + static_cast<ptrdiff_t>(below(static_cast<size_t>(stream.end() - from))));
    }
    return stream;
  }

  std::mt19937 random_{20190723};
};

TEST_F(AnySplit, GivesTheReferencesAnswer) {
  size_t seen[6] = {};
  for (int round = 0; round < 20'000; ++round) {
    const Bytes expected =
        one_in(8) ? Bytes{0x30} : noise(1 + below(40), static_cast<uint32_t>(round));
    const Bytes stream = any_stream(expected);
    const TlsAnswer answer = reference_answer(stream, expected);
    ++seen[static_cast<size_t>(answer.progress)];

    ASSERT_EQ(feed(stream, expected, 1), answer) << "round " << round;
    TlsAnswer got = feed(stream, expected);
    got.bytes = answer.bytes;  // fed whole, it cannot say at which byte
    ASSERT_EQ(got, answer) << "round " << round;
    const size_t pieces = one_in(2) ? 5 : 200;
    got = feed_in_pieces(stream, expected, [&] { return below(pieces); });
    ASSERT_GE(got.bytes, answer.bytes) << "round " << round;
    got.bytes = answer.bytes;
    ASSERT_EQ(got, answer) << "round " << round;
  }
  // The streams are worth the name only if they lead everywhere.
  for (const size_t count : seen) EXPECT_GT(count, 200u);
}

TEST_F(AnySplit, HoldsForEveryCutOfAFlight) {
  const Bytes short_leaf = noise(24, 8);
  for (const Bytes& first : {short_leaf, noise(24, 9)}) {
    const Bytes stream = flight({first, noise(15, 10)}, 17);
    for (size_t end = 0; end <= stream.size(); ++end) {
      const auto seen = std::span(stream).first(end);
      const TlsAnswer answer = reference_answer(seen, short_leaf);
      for (size_t cut = 0; cut <= end; ++cut) {
        size_t piece = 0;
        TlsAnswer got =
            feed_in_pieces(seen, short_leaf, [&] { return piece++ == 0 ? cut : whole; });
        got.bytes = answer.bytes;
        ASSERT_EQ(got, answer) << "end " << end << ", cut " << cut;
      }
    }
  }
}

}  // namespace
}  // namespace steppe::testing
