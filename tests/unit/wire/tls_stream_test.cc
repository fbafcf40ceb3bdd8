// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/tls_stream.h"

#include <gtest/gtest.h>

#include <functional>
#include <string_view>

#include "tests/unit/wire/any_stream.h"
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

// Bytes of a flight before its Finished, from which one is believed.
constexpr size_t room_for_a_certificate = 300;

TEST(TlsStream, FindsTheEndOfAnEncryptedFlightByItsFinished) {
  for (const size_t finished : {53, 69}) {
    const Bytes flight =
        join({records(server_hello()), encrypted(40), encrypted(700), encrypted(finished)});
    EXPECT_EQ(feed(flight, leaf, 1),
              (TlsAnswer{TlsProgress::encrypted, flight.size(), 0, 0, true}));
    const Bytes behind = join({flight, encrypted(100)});
    EXPECT_EQ(feed(behind, leaf, 1).bytes, flight.size());
    EXPECT_EQ(progress(Bytes(flight.begin(), flight.end() - 1)), TlsProgress::more);
  }
  for (const size_t not_finished : {17, 52, 54, 68, 70}) {
    EXPECT_EQ(progress(join({records(server_hello()), encrypted(700), encrypted(not_finished)})),
              TlsProgress::more);
  }
}

TEST(TlsStream, TakesNoFinishedBeforeThereWasRoomForACertificate) {
  const Bytes hello = records(server_hello());
  EXPECT_EQ(progress(join({hello, encrypted(53), encrypted(69)})), TlsProgress::more);
  EXPECT_EQ(progress(join({hello, encrypted(room_for_a_certificate - 1), encrypted(53)})),
            TlsProgress::more);
  EXPECT_EQ(progress(join({hello, encrypted(room_for_a_certificate), encrypted(53)})),
            TlsProgress::encrypted);
}

TEST(TlsStream, SaysWhenAnEncryptedFlightMayBeOver) {
  const auto may_be_over = [](const Bytes& stream) {
    const TlsAnswer answer = feed(stream, leaf);
    EXPECT_EQ(answer.progress, TlsProgress::more);
    return answer.may_be_over;
  };
  const Bytes hello = records(server_hello());
  EXPECT_FALSE(may_be_over(hello));
  EXPECT_FALSE(may_be_over(join({hello, encrypted(room_for_a_certificate - 1)})));
  const Bytes flight = join({hello, encrypted(room_for_a_certificate)});
  EXPECT_TRUE(may_be_over(flight));
  EXPECT_FALSE(may_be_over(Bytes(flight.begin(), flight.end() - 1)));
  EXPECT_FALSE(may_be_over(join({flight, {23}})));
  EXPECT_FALSE(may_be_over(join({flight, {23, 3, 3, 0, 53}})));
  EXPECT_TRUE(may_be_over(join({flight, encrypted(100)})));
  EXPECT_TRUE(may_be_over(join({flight, change_cipher_spec()})));
  EXPECT_TRUE(may_be_over(join({flight, alert(1, 90)})));
}

TEST(TlsStream, SaysFromWhichByteOnAFlightIsEncrypted) {
  const Bytes hello = records(server_hello());
  EXPECT_FALSE(feed(hello, {}).encrypted);
  EXPECT_FALSE(feed(join({hello, change_cipher_spec()}), {}).encrypted);
  EXPECT_FALSE(feed(join({hello, {23, 3, 3, 0}}), {}).encrypted);
  EXPECT_TRUE(feed(join({hello, {23, 3, 3, 0, 20}}), {}).encrypted);
  EXPECT_FALSE(feed(join({hello, alert(2, 40)}), {}).encrypted);
  EXPECT_TRUE(feed(join({hello, encrypted(20), alert(2, 40)}), {}).encrypted);
  EXPECT_FALSE(feed(join({hello, {23, 3, 3, 0, 0}}), {}).encrypted);
}

// RFC 8446 D.4: change_cipher_spec says nothing, and comes behind either hello of the server's.
TEST(TlsStream, PassesOverChangeCipherSpecWhereTls13HasIt) {
  const Bytes ccs = change_cipher_spec();
  const Bytes hello = records(server_hello()), retry = records(hello_retry_to(23));
  const Bytes flight = join({encrypted(700), encrypted(53)});
  EXPECT_EQ(progress(join({hello, ccs, flight})), TlsProgress::encrypted);
  EXPECT_EQ(progress(join({hello, ccs, ccs, encrypted(700), ccs, encrypted(53)})),
            TlsProgress::encrypted);
  EXPECT_EQ(progress(join({retry, ccs, hello, flight})), TlsProgress::encrypted);
  EXPECT_EQ(progress(join({retry, ccs, hello, ccs, flight})), TlsProgress::encrypted);

  EXPECT_EQ(feed(ccs, {}, 1), (TlsAnswer{TlsProgress::not_tls, 1}));
  EXPECT_EQ(feed(join({hello, record(20, {1, 1})}), {}, 1),
            (TlsAnswer{TlsProgress::not_tls, hello.size() + 5}));
  // Within a message.
  EXPECT_EQ(progress(join({records(Bytes(20, 2)), ccs})), TlsProgress::not_tls);
  const Bytes messages = join({server_hello(), {11, 0}});
  EXPECT_EQ(progress(join({records(messages), ccs})), TlsProgress::not_tls);
}

TEST(TlsStream, RefusesRecordsThatHaveNoPlaceInTls13) {
  const Bytes hello = records(server_hello()), retry = records(hello_retry_to(23));
  EXPECT_EQ(progress(encrypted(100)), TlsProgress::not_tls);
  EXPECT_EQ(progress(join({retry, encrypted(100)})), TlsProgress::not_tls);
  EXPECT_EQ(progress(join({hello, encrypted(100), hello})), TlsProgress::not_tls);
  EXPECT_EQ(progress(join({hello, encrypted(100), records(certificate({leaf}))}), leaf),
            TlsProgress::not_tls);
  EXPECT_EQ(progress(join({hello, record(23, {})})), TlsProgress::not_tls);
  // A message that has begun in clear goes on in clear (RFC 8446 5.1).
  EXPECT_EQ(progress(join({records(join({server_hello(), {11, 0}})), encrypted(100)})),
            TlsProgress::not_tls);
}

// A message without a body leaves nothing behind: it once was ended by the byte after it only, and
// what was no handshake record was refused there.
TEST(TlsStream, MayGoOnEncryptedBehindAnEmptyMessage) {
  const Bytes messages = records(join({server_hello(), message(99, {})}));
  EXPECT_EQ(progress(join({messages, encrypted(400), encrypted(53)})), TlsProgress::encrypted);
  EXPECT_EQ(progress(join({messages, change_cipher_spec()})), TlsProgress::more);
}

TEST(TlsStream, TellsOfARetryOnceAndAtItsLastByte) {
  const Bytes retry = records(hello_retry_to(23), 30), hello = records(server_hello());
  const Bytes stream = join({retry, hello, encrypted(700), encrypted(53)});
  EXPECT_EQ(feed(stream, leaf, 1).retry_bytes, retry.size());
  TlsStream parser;
  EXPECT_EQ(parser.feed(std::span(retry).first(retry.size() - 1), leaf), TlsProgress::more);
  EXPECT_FALSE(parser.take_retry());
  EXPECT_EQ(parser.feed(std::span(retry).last(1), leaf), TlsProgress::more);
  EXPECT_TRUE(parser.take_retry());
  EXPECT_FALSE(parser.take_retry());
  EXPECT_EQ(parser.feed(hello, leaf), TlsProgress::more);
  EXPECT_FALSE(parser.take_retry());
}

// The answer to the second hello may be one of TLS 1.2 all the same, as far as the reader knows.
TEST(TlsStream, ReadsOnBehindARetry) {
  const Bytes retry = records(hello_retry_to(23));
  EXPECT_EQ(progress(join({retry, flight({leaf})}), leaf), TlsProgress::same);
  EXPECT_EQ(progress(join({retry, flight({root})}), leaf), TlsProgress::certificate);
  EXPECT_EQ(feed(join({retry, alert(2, 47)}), leaf).alert_description, 47);
  // A hello has to come next.
  EXPECT_EQ(progress(join({retry, records(certificate({leaf}))}), leaf), TlsProgress::not_tls);
}

TEST(TlsStream, RefusesASecondRetryAtItsRandom) {
  const Bytes retry = records(hello_retry_to(23));
  EXPECT_EQ(feed(join({retry, retry}), leaf, 1),
            (TlsAnswer{TlsProgress::not_tls, retry.size() + 5 + 4 + 2 + 32, 0, retry.size()}));
}

TEST(TlsStream, TakesNoHelloForARetryThatDiffersInAByte) {
  for (size_t at = 0; at < 32; ++at) {
    Bytes hello = hello_retry_to(23);
    hello[4 + 2 + at] ^= 1;
    EXPECT_EQ(feed(join({records(hello), encrypted(700)}), {}).retry_bytes, 0u) << at;
    EXPECT_TRUE(feed(join({records(hello), encrypted(700)}), {}).encrypted) << at;
  }
}

// Any split of any stream gives the same answer at the same byte as the slow reader that sees all
// of it at once.
class AnySplit : public ::testing::Test, protected AnyStream {};

TEST_F(AnySplit, GivesTheReferencesAnswer) {
  size_t seen[7] = {}, retries = 0, maybe_over = 0, sealed = 0;
  for (int round = 0; round < 40'000; ++round) {
    const Bytes expected =
        one_in(8) ? Bytes{0x30} : noise(1 + below(40), static_cast<uint32_t>(round));
    const Bytes stream = any_stream(expected);
    const TlsAnswer answer = reference_answer(stream, expected);
    ++seen[static_cast<size_t>(answer.progress)];
    retries += answer.retry_bytes != 0;
    maybe_over += answer.may_be_over;
    sealed += answer.encrypted;

    ASSERT_EQ(feed(stream, expected, 1), answer) << "round " << round;
    const size_t longest = one_in(2) ? 5 : 200;
    for (const auto& next_length : std::initializer_list<std::function<size_t()>>{
             [] { return whole; }, [&] { return below(longest); }}) {
      std::vector<size_t> ends;
      const TlsAnswer got = feed_in_pieces(stream, expected, next_length, &ends);
      ASSERT_EQ(got, in_pieces(answer, ends)) << "round " << round;
    }
  }
  // The streams are worth the name only if they lead everywhere.
  for (const size_t count : seen) EXPECT_GT(count, 200u);
  EXPECT_GT(retries, 1000u);
  EXPECT_GT(maybe_over, 200u);
  EXPECT_GT(sealed, 5000u);
}

TEST_F(AnySplit, HoldsForEveryCutOfAFlight) {
  const Bytes short_leaf = noise(24, 8);
  const Bytes retry = records(hello_retry_to(23), 17);
  for (const Bytes& stream :
       {flight({short_leaf, noise(15, 10)}, 17), flight({noise(24, 9), noise(15, 10)}, 17),
        join({retry, change_cipher_spec(), flight({short_leaf}, 17)}),
        join({retry, records(server_hello(), 17), change_cipher_spec(), encrypted(298),
              change_cipher_spec(), encrypted(2), encrypted(53)})}) {
    for (size_t end = 0; end <= stream.size(); ++end) {
      const auto seen = std::span(stream).first(end);
      const TlsAnswer answer = reference_answer(seen, short_leaf);
      for (size_t cut = 0; cut <= end; ++cut) {
        size_t piece = 0;
        std::vector<size_t> ends;
        const TlsAnswer got = feed_in_pieces(
            seen, short_leaf, [&] { return piece++ == 0 ? cut : whole; }, &ends);
        ASSERT_EQ(got, in_pieces(answer, ends)) << "end " << end << ", cut " << cut;
      }
    }
  }
}

}  // namespace
}  // namespace steppe::testing
