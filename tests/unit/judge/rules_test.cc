// SPDX-License-Identifier: Apache-2.0
// Each rule with at least one certificate or ending that it is about, and one that it is not.
#include <gtest/gtest.h>

#include <set>

#include "engine/judge/evidence.h"
#include "engine/judge/verdict_rule.h"
#include "modules/verdicts/verdicts.h"
#include "tests/unit/judge/certificates.h"

namespace steppe {
namespace {

using namespace test;

constexpr Ending all_endings[] = {
    Ending::same,  Ending::certificate, Ending::alert,   Ending::not_tls,     Ending::closed,
    Ending::reset, Ending::refused,     Ending::timeout, Ending::unreachable, Ending::too_long};

// The whole way of a certificate, as the judges go it: trust, facts, evidence, rule.
class Judged {
 public:
  Judged(const Chain& baseline, const Chain& other) : Judged(baseline, other, now_s) {}
  Judged(const Chain& baseline, const Chain& other, int64_t at_time)
      : roots_({&world().root}), baseline_(read_chain(baseline)), chain_(read_chain(other)) {
    TrustStore store{roots_.path(), at_time};
    facts_ = {.ending = Ending::certificate,
              .detail = 0,
              .chain = &chain_,
              .evidence = nullptr,
              .baseline = &baseline_,
              .trust = store.verify(other)};
    evidence_ = compare_chains(baseline, other, "facebook.com", facts_.trust);
    if (evidence_) facts_.evidence = &*evidence_;
  }
  std::string_view rule() const { return classify(verdict_rules(), facts_).name; }
  Facts& facts() { return facts_; }

 private:
  PemFile roots_;
  ChainFacts baseline_, chain_;
  std::optional<Evidence> evidence_;
  Facts facts_{};
};

std::string_view rule_for(const Issued& other, const Issued& issuer) {
  return Judged({&world().host, &world().intermediate}, {&other, &issuer}).rule();
}

std::string_view rule_for(Ending ending) {
  return classify(verdict_rules(), {.ending = ending, .detail = 0, .trust = {}}).name;
}

TEST(Rules, AreTotalAndKeepTheirWords) {
  std::set<std::string_view> names;
  for (const VerdictRule* rule : verdict_rules()) {
    EXPECT_TRUE(names.insert(rule->name).second) << rule->name;
    EXPECT_FALSE(rule->meaning.empty() || rule->source.empty()) << rule->name;
  }
  for (int ending = 0; ending < 256; ++ending)
    EXPECT_NO_FATAL_FAILURE(rule_for(static_cast<Ending>(ending)));
  for (const Ending ending : all_endings)
    EXPECT_NE(rule_for(ending), "unexplained") << static_cast<int>(ending);
}

// Every word that a pair can be settled with has a rule.
TEST(Rules, EveryVerdictHasARule) {
  std::set<Verdict> verdicts;
  for (const VerdictRule* rule : verdict_rules()) verdicts.insert(rule->verdict);
  EXPECT_EQ(verdicts.size(), verdict_count);
}

TEST(RulesDeathTest, ListThatIsNotTotalIsAProgrammersError) {
  const VerdictRule* const rules[] = {&verdict_reset};
  EXPECT_DEATH(classify(rules, {.ending = Ending::closed, .detail = 0, .trust = {}}), "not total");
}

TEST(SameRule, Matches) {
  EXPECT_EQ(rule_for(Ending::same), "same");
  EXPECT_EQ(rule_for(world().host, world().intermediate), "same");
  // The host's own leaf is its own even where its chain is cut off or has run out.
  EXPECT_EQ(Judged({&world().host, &world().intermediate}, {&world().host}).rule(), "same");
  EXPECT_EQ(Judged({&world().host}, {&world().host}, now_s + 900 * day_s).rule(), "same");
}

TEST(SameRule, DoesNotMatch) {
  EXPECT_NE(rule_for(world().forged, world().forger), "same");
  EXPECT_NE(rule_for(Ending::certificate), "same");
  EXPECT_NE(Judged({}, {}).rule(), "same");  // no leaf is not the same as no leaf
}

TEST(GenuineRule, Matches) {
  Request request;
  request.subject = {{"CN", "other.example"}};
  request.san = "DNS:other.example";
  request.issuer = &world().intermediate;
  EXPECT_EQ(rule_for(issue(request), world().intermediate), "genuine");
  request = forged_request();  // the host's own names again: a renewed certificate
  request.issuer = &world().intermediate;
  EXPECT_EQ(rule_for(issue(request), world().intermediate), "genuine");
}

TEST(GenuineRule, DoesNotMatch) {
  Request request = forged_request();
  request.issuer = &world().intermediate;
  request.not_after_s = now_s - day_s;
  EXPECT_EQ(rule_for(issue(request), world().intermediate), "untrusted");  // expired: anchored
  Judged judged({&world().host}, {&world().forged});
  judged.facts().ending = Ending::closed;
  judged.facts().trust.trusted = true;
  EXPECT_EQ(judged.rule(), "closed");
}

TEST(ForgedRule, Matches) {
  EXPECT_EQ(rule_for(world().forged, world().forger), "forged");
  EXPECT_EQ(verdict_forged.verdict, Verdict::injected);
  // The chain cut off, or with the root in it.
  EXPECT_EQ(Judged({&world().host, &world().intermediate}, {&world().forged}).rule(), "forged");
  EXPECT_EQ(
      Judged({&world().host}, {&world().forged, &world().forger, &world().forger_root}).rule(),
      "forged");
  // The asked name added, as sslsplit does.
  Request request = forged_request();
  request.issuer = &world().forger;
  request.san += ",DNS:facebook.com";
  EXPECT_EQ(rule_for(issue(request), world().forger), "forged");
}

// The shifts, the serial, the extensions and the exponent differ from box to box.
TEST(ForgedRule, NeedsNoHabitOfTheBoxOf2019) {
  Request request = forged_request();
  request.issuer = &world().forger;
  request.not_before_s = now_s - day_s;
  request.not_after_s = now_s + 365 * day_s;
  request.serial = {7};
  request.identifiers = true;
  request.extensions = {{"extendedKeyUsage", "serverAuth"}};
  EXPECT_EQ(rule_for(issue(request), world().forger), "forged");
  request.not_after_s = now_s - 1;  // successors' certificates were used after they expired
  EXPECT_EQ(rule_for(issue(request), world().forger), "forged");
}

TEST(ForgedRule, TakesASelfSignedCopy) {
  const Issued copy = issue(forged_request());
  EXPECT_EQ(Judged({&world().host, &world().intermediate}, {&copy}).rule(), "forged");
}

TEST(ForgedRule, TakesACopiedIssuerName) {
  Request authority;
  authority.subject = {{"CN", "Test Intermediate"}};
  authority.ca = true;
  const Issued impostor = issue(authority);
  Request request = forged_request();
  request.issuer = &impostor;
  EXPECT_EQ(rule_for(issue(request), impostor), "forged");
}

TEST(ForgedRule, DoesNotMatch) {
  const auto rule_with = [](auto change) {
    Request request = forged_request();
    request.issuer = &world().forger;
    change(request);
    return rule_for(issue(request), world().forger);
  };
  EXPECT_EQ(rule_with([](Request&) {}), "forged");  // or the lines below say nothing
  EXPECT_EQ(rule_with([](Request& r) { r.subject = {{"CN", "fortigate"}}; }), "untrusted");
  EXPECT_EQ(rule_with([](Request& r) { r.san = "DNS:iqala.kz"; }), "untrusted");
  EXPECT_EQ(rule_with([](Request& r) { r.san = ""; }), "untrusted");
  EXPECT_EQ(rule_with([](Request& r) { r.key = world().host.key; }), "untrusted");
}

// The host's own authority without its intermediate, or misused: careless, not forged.
TEST(ForgedRule, DoesNotMatchTheHostsOwnAuthority) {
  Request authority;
  authority.subject = {{"CN", "Own Authority"}};
  authority.ca = true;
  const Issued own = issue(authority);
  Request request = forged_request();
  request.issuer = &own;
  const Issued first = issue(request);
  request.key = nullptr;
  const Issued second = issue(request);
  EXPECT_EQ(Judged({&first, &own}, {&second}).rule(), "untrusted");
  EXPECT_EQ(Judged({&first}, {&second, &own}).rule(), "untrusted");

  request.issuer = &world().intermediate;
  request.extensions = {{"extendedKeyUsage", "clientAuth"}};
  EXPECT_EQ(rule_for(issue(request), world().intermediate), "untrusted");
}

// A certificate of the host's that another public authority signed, and that has run out: an
// administrator's old one, not a forger's.
TEST(ForgedRule, DoesNotMatchWhatLeadsToARoot) {
  Request request = forged_request();
  request.issuer = &world().root;
  request.not_after_s = now_s - day_s;
  const Issued old = issue(request);
  EXPECT_EQ(Judged({&world().host, &world().intermediate}, {&old}).rule(), "untrusted");
}

// Two leaves that name nothing are equal in everything that the rule compares.
TEST(ForgedRule, DoesNotMatchANamelessBaseline) {
  Request request = forged_request();
  request.subject = {};
  request.san = "";
  request.issuer = &world().intermediate;
  const Issued baseline = issue(request);
  request.key = nullptr;
  request.issuer = &world().forger;
  const Issued other = issue(request);
  EXPECT_EQ(Judged({&baseline, &world().intermediate}, {&other, &world().forger}).rule(),
            "untrusted");
}

TEST(ForgedRule, DoesNotMatchWithoutBaseline) {
  Judged judged({&world().host}, {&world().forged, &world().forger});
  judged.facts().baseline = nullptr;
  EXPECT_EQ(judged.rule(), "untrusted");
  EXPECT_EQ(Judged({}, {&world().forged, &world().forger}).rule(), "untrusted");
}

TEST(UntrustedRule, Matches) {
  Request request;
  request.subject = {{"CN", "default.local"}};
  const Issued leaf = issue(request);
  EXPECT_EQ(Judged({&world().host}, {&leaf}).rule(), "untrusted");
  EXPECT_EQ(rule_for(Ending::certificate), "untrusted");
  EXPECT_EQ(Judged({&world().host}, {}).rule(), "untrusted");
  Issued garbage;
  garbage.der = {1, 2, 3};
  EXPECT_EQ(Judged({&world().host}, {&garbage}).rule(), "untrusted");
}

TEST(UntrustedRule, DoesNotMatch) {
  for (const Ending ending : all_endings)
    EXPECT_EQ(rule_for(ending) == "untrusted", ending == Ending::certificate)
        << static_cast<int>(ending);
}

// One rule for each ending without a certificate, and none for any other.
TEST(EndingRules, MatchTheirEndingsAlone) {
  const struct {
    const VerdictRule* rule;
    std::set<Ending> endings;
    Verdict verdict;
  } cases[] = {
      {&verdict_reset, {Ending::reset, Ending::refused}, Verdict::reset},
      {&verdict_closed, {Ending::closed}, Verdict::closed},
      {&verdict_alert, {Ending::alert}, Verdict::alert},
      {&verdict_timeout, {Ending::timeout}, Verdict::timeout},
      {&verdict_not_tls, {Ending::not_tls, Ending::too_long}, Verdict::not_tls},
      {&verdict_unreachable, {Ending::unreachable}, Verdict::unreachable},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(one.rule->verdict, one.verdict);
    for (const Ending ending : all_endings) {
      const bool expected = one.endings.count(ending) > 0;
      EXPECT_EQ(one.rule->matches({.ending = ending, .detail = 0, .trust = {}}), expected)
          << one.rule->name << ' ' << static_cast<int>(ending);
      if (expected) {
        EXPECT_EQ(rule_for(ending), one.rule->name);
      }
    }
  }
}

TEST(UnexplainedRule, TakesWhatNobodyKnows) {
  EXPECT_EQ(rule_for(static_cast<Ending>(250)), "unexplained");
  EXPECT_NE(rule_for(Ending::reset), "unexplained");
}

}  // namespace
}  // namespace steppe
