// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/truth.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "tools/sim/trace_truth.h"

namespace steppe::sim {
namespace {

using Row = nlohmann::ordered_json;

constexpr size_t most_wrong_pairs = 20, most_wrong_traces = 20;

const HostGroup& group_of(const Layout& layout, const Host& host) {
  return layout.scenario().groups[host.group];
}

const Crossing* crossing_of(const Path& path, uint32_t middlebox) {
  const auto found = std::ranges::find(path.crossings, middlebox, &Crossing::middlebox);
  return found == path.crossings.end() ? nullptr : &*found;
}

Verdict verdict_of(Action action) {
  switch (action) {
    case Action::forge:
      return Verdict::injected;
    case Action::reset:
      return Verdict::reset;
    case Action::drop:
      return Verdict::timeout;
    case Action::block_page:
      return Verdict::not_tls;
    case Action::forward:
      break;
  }
  return Verdict::none;
}

std::string_view reason_of(Action action) {
  switch (action) {
    case Action::forge:
      return "forged on the way";
    case Action::reset:
      return "reset on the way";
    case Action::drop:
      return "dropped on the way";
    case Action::block_page:
      return "answered with a block page on the way";
    case Action::forward:
      break;
  }
  return "";
}

// Whether the box may miss connections of the pair although it covers it.
bool meets_by_chance(const Layout& layout, const Host& host, uint32_t number, Date date) {
  const Middlebox& box = layout.scenario().middleboxes[number];
  // Whoever is not in the way only comes first if it is quick.
  if (box.at(date)->share_of_connections < 1 || !box.in_path) return true;
  for (uint32_t way = 0; way < layout.path_count(host); ++way) {
    const Path path = layout.path_number(host, way);
    const Crossing* crossing = crossing_of(path, number);
    if (crossing == nullptr) return true;
    // A copied TTL: what is left of 64 must still carry the answer back.
    constexpr int usual_ttl = 64;
    if (box.copies_ttl && usual_ttl - 2 * crossing->hops_before <= 0) return true;
  }
  return false;
}

// What the host itself shows for a name.
Answer own_answer(const Layout& layout, const Host& host, std::string_view server_name) {
  const HostGroup& group = group_of(layout, host);
  const CertificateSpec& certificate = group.certificate;
  if (group.behaviour == Behaviour::rejects_unknown_names && server_name != layout.own_name(host))
    return {.verdict = Verdict::alert, .reason = "the host rejects unknown names"};
  // Who does to a host what it does itself cannot be told from it.
  if (group.behaviour == Behaviour::closes_on_unknown_names && server_name != layout.own_name(host))
    return {.verdict = Verdict::closed,
            .interference = Interference::inconclusive,
            .reason = "the host closes on unknown names"};
  if (layout.has_other_leaf(host, server_name)) {
    if (certificate.other_kind == CertificateKind::trusted)
      return {.verdict = Verdict::genuine, .reason = "the host's other leaf, which browsers trust"};
    return {.verdict = Verdict::untrusted,
            .interference = Interference::inconclusive,
            .reason = "the host's other leaf, which nobody trusts"};
  }
  if (certificate.rotates > 1 || certificate.renewed_after_s)
    return {.verdict = Verdict::same,
            .other = Verdict::genuine,
            .reason = "one of the host's own leaves"};
  return {.verdict = Verdict::same, .reason = "the host's own leaf"};
}

std::string link_end(uint32_t address, const Host& host) {
  return format_address(address == 0 ? host.address : address);
}

Row host_row(const Layout& layout, const Host& host, bool interfered) {
  Row row;
  row["type"] = "host";
  row["host"] = format_address(host.address);
  row["asn"] = layout.scenario().networks[host.network].as_number;
  row["group"] = group_of(layout, host).name;
  row["trusted"] = is_trusted(layout, host) == Trusted::yes ? "yes" : "maybe";
  row["interfered"] = interfered;
  return row;
}

Row pair_row(const Layout& layout, const Host& host, const std::string& server_name,
             const Answer& answer) {
  Row row;
  row["type"] = "pair";
  row["host"] = format_address(host.address);
  row["sni"] = server_name;
  row["verdict"] = to_string(answer.verdict);
  row["interference"] = to_string(answer.interference);
  row["by_chance"] = answer.by_chance;
  const Middlebox& box = layout.scenario().middleboxes[answer.middlebox];
  row["middlebox"] = box.name;
  row["in_path"] = box.in_path;
  row["terminates"] = box.terminates;
  row["copies_ttl"] = box.copies_ttl;
  const uint32_t ways = layout.path_count(host);
  uint32_t crossing_ways = 0;
  for (uint32_t way = 0; way < ways; ++way) {
    const Path path = layout.path_number(host, way);
    const Crossing* crossing = crossing_of(path, answer.middlebox);
    if (crossing == nullptr || ++crossing_ways > 1) continue;
    row["injection_ttl"] = crossing->hops_before + 1;
    row["host_ttl"] = path.routers.size() + 1;
    row["hop_before"] =
        crossing->hop_before == 0 ? Row(nullptr) : Row(format_address(crossing->hop_before));
    row["hop_after"] = link_end(crossing->hop_after, host);
  }
  row["ways"] = ways;
  row["ways_crossing"] = crossing_ways;
  return row;
}

struct InterceptorTruth {
  std::string subject, middlebox, profile;
  std::set<uint32_t> hosts;
  std::set<std::string> server_names;
};
using InterceptorTruths = std::map<std::array<uint8_t, 32>, InterceptorTruth>;

void note_interceptor(const Layout& layout, Authority& authority, const Host& host,
                      const std::string& server_name, const Answer& answer, Date date,
                      InterceptorTruths& interceptors) {
  const Middlebox& box = layout.scenario().middleboxes[answer.middlebox];
  const ForgingProfile& profile = box.profiles[box.at(date)->profile];
  const Authority::Signer signer = authority.signer(profile);
  InterceptorTruth& truth = interceptors[signer.spki_sha256];
  truth.subject = signer.subject;
  truth.middlebox = box.name;
  truth.profile = profile.name;
  truth.hosts.insert(host.address);
  truth.server_names.insert(server_name);
}

void print(const Row& row, std::FILE* out) {
  std::fputs((row.dump() + "\n").c_str(), out);
}

// Names that any box lists: with all others there is nothing to find.
std::vector<std::string> listed_names(const Layout& layout,
                                      std::span<const std::string> server_names) {
  std::vector<std::string> listed;
  for (const std::string& name : server_names)
    for (uint32_t box = 0; box < layout.scenario().middleboxes.size(); ++box)
      if (layout.lists(box, name)) {
        listed.push_back(name);
        break;
      }
  return listed;
}

}  // namespace

Trusted is_trusted(const Layout& layout, const Host& host) {
  const HostGroup& group = group_of(layout, host);
  if (group.certificate.kind != CertificateKind::trusted) return Trusted::no;
  switch (group.behaviour) {
    case Behaviour::answers:
    case Behaviour::tiny_segments:
    case Behaviour::rejects_unknown_names:
    case Behaviour::closes_on_unknown_names:
      break;
    case Behaviour::shuns:
      return Trusted::maybe;
    default:
      return Trusted::no;
  }
  // Two controls in turn may, or may not, meet the same leaf.
  if (group.certificate.rotates > 1 || group.certificate.renewed_after_s) return Trusted::maybe;
  return Trusted::yes;
}

Answer right_answer(const Layout& layout, const Host& host, std::string_view server_name,
                    Date date) {
  const auto& boxes = layout.scenario().middleboxes;
  for (uint32_t number = 0; number < boxes.size(); ++number) {
    const Action action = boxes[number].action;
    if (action == Action::forward || !layout.lists(number, server_name) ||
        !layout.covers(number, host, date))
      continue;
    return {.verdict = verdict_of(action),
            .interference = Interference::yes,
            .middlebox = number,
            .by_chance = meets_by_chance(layout, host, number, date),
            .reason = reason_of(action)};
  }
  Answer own = own_answer(layout, host, server_name);
  // Who is shunned finds nothing out.
  own.by_chance = group_of(layout, host).behaviour == Behaviour::shuns;
  return own;
}

void print_truth(const Layout& layout, Authority& authority, Date date,
                 std::span<const std::string> server_names, std::FILE* out) {
  const std::vector<std::string> names = listed_names(layout, server_names);
  InterceptorTruths interceptors;
  for (const Host& host : layout.hosts()) {
    if (is_trusted(layout, host) == Trusted::no) continue;
    std::vector<Row> rows;
    for (const std::string& name : names) {
      const Answer answer = right_answer(layout, host, name, date);
      if (answer.interference != Interference::yes) continue;
      rows.push_back(pair_row(layout, host, name, answer));
      if (answer.verdict == Verdict::injected)
        note_interceptor(layout, authority, host, name, answer, date, interceptors);
    }
    print(host_row(layout, host, !rows.empty()), out);
    for (const Row& row : rows) print(row, out);
  }
  for (const auto& [spki, truth] : interceptors) {
    Row row;
    row["type"] = "interceptor";
    row["spki_sha256"] = hex(spki);
    row["subject"] = truth.subject;
    row["middlebox"] = truth.middlebox;
    row["profile"] = truth.profile;
    row["hosts"] = truth.hosts.size();
    row["names"] = truth.server_names.size();
    print(row, out);
  }
}

namespace {

// The pairs of the latest round beside their answers.
class Scoring {
 public:
  Scoring(const Layout& layout, Authority& authority, const RoundRecord& round, Score& score)
      : layout_(layout), authority_(authority), round_(round), score_(score) {}

  void look_at_hosts(const Store& store) {
    std::unordered_map<uint32_t, HostStatus> found;
    store.for_each_host([&](const HostRecord& host) {
      if (host.round == round_.round) found[host.address] = host.status;
      return true;
    });
    const auto probed = [&](uint32_t address) {
      const auto entry = found.find(address);
      if (entry == found.end()) return false;
      if (entry->second == HostStatus::dropped) ++score_.hosts_dropped;
      return entry->second == HostStatus::trusted || entry->second == HostStatus::dropped;
    };
    for (const Host& host : layout_.hosts()) {
      const Trusted trusted = is_trusted(layout_, host);
      const bool was_probed = probed(host.address);
      if (trusted == Trusted::yes) {
        ++score_.hosts;
        score_.hosts_found += was_probed;
      } else if (trusted == Trusted::no) {
        score_.hosts_surplus += was_probed;
      }
    }
    score_.pairs = score_.hosts * (round_.names.size() - round_.controls);
  }

  void read_traces(const Store& store) {
    // From elsewhere there are other ways.
    const std::string& vantage = layout_.scenario().vantages[layout_.vantage()].name;
    store.for_each_trace([&](const TraceRecord& trace) {
      if (trace.round == round_.round && trace.vantage == vantage)
        traces_.emplace(trace.key, trace);
      return true;
    });
    score_.traces.records = traces_.size();
  }

  void look_at(const PairView& pair) {
    if (score_.traces.records > 0 && pair.state.interference == Interference::yes)
      look_at_trace(pair);
    const Host* host = layout_.find(pair.key.address);
    const Trusted trusted = host == nullptr ? Trusted::no : is_trusted(layout_, *host);
    if (trusted == Trusted::no) return wrong(pair, {.reason = "the host is not trusted"});
    if (trusted == Trusted::yes && pair.state.verdict != Verdict::none) ++answered_;
    const Answer right = right_answer(layout_, *host, pair.key.server_name, pair.last_seen_ms);
    const bool found_yes = pair.state.interference == Interference::yes;
    if (found_yes) names_found_.insert(pair.key.server_name);
    if (right.by_chance || trusted == Trusted::maybe) return look_at_chance(pair, right);
    const bool right_verdict =
        pair.state.verdict == right.verdict || pair.state.verdict == right.other;
    const bool inconclusive = pair.state.interference == Interference::inconclusive &&
                              right.interference != Interference::inconclusive;
    if (right.interference == Interference::yes) {
      ++score_.interfered;
      names_true_.insert(pair.key.server_name);
      if (right.verdict == Verdict::injected)
        note_interceptor(layout_, authority_, *host, pair.key.server_name, right, pair.last_seen_ms,
                         interceptors_);
    }
    if (inconclusive) {
      ++score_.inconclusive;
      return wrong(pair, right);
    }
    if (found_yes && right.interference == Interference::yes && right_verdict) {
      ++score_.true_positives;
    } else if (found_yes) {
      ++score_.false_positives;
      wrong(pair, right);
    } else if (right.interference == Interference::yes) {
      ++score_.false_negatives;
      wrong(pair, right);
    } else if (!right_verdict) {
      ++score_.wrong_verdicts;
      wrong(pair, right);
    }
  }

  void finish(const Store& store) {
    score_.missing = score_.pairs - std::min(score_.pairs, answered_);
    for (const std::string& name : names_found_) score_.names_right += names_true_.contains(name);
    score_.names_found = names_found_.size();
    score_.names_true = names_true_.size();
    store.for_each_interceptor([&](const InterceptorRecord& interceptor) {
      if (interceptor.last_seen_ms < round_.started_ms) return true;
      ++score_.interceptors_found;
      score_.interceptors_right += interceptors_.contains(interceptor.spki);
      return true;
    });
    score_.interceptors_true = interceptors_.size();
    // Those whose pair was not found: there is nothing to locate, unless by chance.
    for (const auto& [key, trace] : traces_) look_at_located(trace, trace.time_ms);
  }

 private:
  void look_at_trace(const PairView& pair) {
    Score::Traces& traces = score_.traces;
    const auto record = traces_.extract(pair.key);
    const TraceRecord* trace = record.empty() ? nullptr : &record.mapped();
    const bool is_located = trace != nullptr && trace->outcome == TraceOutcome::located;
    if (is_to_locate(pair, trace == nullptr ? pair.last_seen_ms : trace->time_ms)) {
      ++traces.to_locate;
      traces.missing += trace == nullptr;
      traces.not_located += trace != nullptr && !is_located;
    }
    if (is_located) look_at_located(*trace, pair.last_seen_ms);
  }

  bool is_to_locate(const PairView& pair, Date date) const {
    const Host* host = layout_.find(pair.key.address);
    if (host == nullptr || is_trusted(layout_, *host) != Trusted::yes) return false;
    const Answer right = right_answer(layout_, *host, pair.key.server_name, date);
    return right.interference == Interference::yes && !right.by_chance &&
           right.verdict != Verdict::timeout;
  }

  void look_at_located(const TraceRecord& trace, Date settled_ms) {
    if (trace.outcome != TraceOutcome::located) return;
    Score::Traces& traces = score_.traces;
    const Host* host = layout_.find(trace.key.address);
    TraceCheck check{.right = "nobody lives there"};
    if (host != nullptr) check = check_trace(layout_, *host, trace, settled_ms);
    ++traces.located;
    ++(check.place ? traces.right : traces.wrong);
    traces.wrong_placements += !check.placement;
    traces.wrong_terminating += !check.terminating;
    traces.wrong_ttl_copied += !check.ttl_copied;
    traces.wrong_paths += !check.paths;
    if (!check.perfect() && traces.wrong_ones.size() < most_wrong_traces)
      traces.wrong_ones.push_back(
          {trace.key.address, trace.key.server_name, trace_words(trace), check.right});
  }

  void look_at_chance(const PairView& pair, const Answer& right) {
    ++score_.by_chance;
    if (right.interference == Interference::yes) names_true_.insert(pair.key.server_name);
    if (right.interference == Interference::yes && right.verdict == Verdict::injected)
      note_interceptor(layout_, authority_, *layout_.find(pair.key.address), pair.key.server_name,
                       right, pair.last_seen_ms, interceptors_);
    if (pair.state.interference == Interference::yes) {
      ++score_.by_chance_yes;
      if (right.interference != Interference::yes || pair.state.verdict != right.verdict) {
        ++score_.false_positives;
        wrong(pair, right);
      }
    } else if (pair.state.interference == Interference::no) {
      ++score_.by_chance_no;
    }
  }

  void wrong(const PairView& pair, const Answer& right) {
    // A wrong yes or no matters more than what is merely left open.
    const bool grave = pair.state.interference != Interference::inconclusive;
    if (!grave && score_.wrong.size() >= most_wrong_pairs) return;
    const auto words = [](Verdict verdict, Interference interference) {
      return std::string(to_string(verdict)) + "/" + std::string(to_string(interference));
    };
    if (grave && grave_++ >= most_wrong_pairs) return;
    const auto place =
        grave ? score_.wrong.begin() + static_cast<ptrdiff_t>(grave_ - 1) : score_.wrong.end();
    if (score_.wrong.size() == most_wrong_pairs) score_.wrong.pop_back();
    score_.wrong.insert(
        place,
        {pair.key.address, pair.key.server_name, words(pair.state.verdict, pair.state.interference),
         words(right.verdict, right.interference), std::string(right.reason)});
  }

  const Layout& layout_;
  Authority& authority_;
  const RoundRecord& round_;
  Score& score_;
  uint64_t answered_ = 0;
  size_t grave_ = 0;  // of score_.wrong, at its front
  std::set<std::string> names_found_, names_true_;
  InterceptorTruths interceptors_;
  std::map<PairKey, TraceRecord> traces_;  // of this round, that were not looked at yet
};

}  // namespace

double Score::precision() const {
  const uint64_t found = true_positives + false_positives;
  return found == 0 ? 1 : static_cast<double>(true_positives) / static_cast<double>(found);
}

double Score::recall() const {
  return interfered == 0 ? 1
                         : static_cast<double>(true_positives) / static_cast<double>(interfered);
}

bool Score::perfect() const {
  return missing == 0 && false_positives == 0 && false_negatives == 0 && inconclusive == 0 &&
         wrong_verdicts == 0 && hosts_found == hosts && hosts_surplus == 0 && traces.wrong == 0 &&
         traces.wrong_placements == 0 && traces.wrong_terminating == 0 &&
         traces.wrong_ttl_copied == 0 && traces.wrong_paths == 0;
}

Score score(const Layout& layout, Authority& authority, const Store& store) {
  Score score;
  const auto round = store.latest_round();
  if (!round) return score;
  score.round = round->round;
  Scoring scoring(layout, authority, *round, score);
  scoring.look_at_hosts(store);
  scoring.read_traces(store);
  store.for_each_pair([&](const PairView& pair) {
    if (pair.round == round->round && !pair.control) scoring.look_at(pair);
    return true;
  });
  scoring.finish(store);
  return score;
}

std::string score_text(const Score& score) {
  char line[256];
  std::string text;
  const auto add = [&](const char* format, auto... values) {
    std::snprintf(line, sizeof line, format, values...);
    text += line;
  };
  const auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  add("round %u beside the truth\n", score.round);
  add("  hosts         %llu trusted, %llu found, %llu surplus, %llu dropped\n", number(score.hosts),
      number(score.hosts_found), number(score.hosts_surplus), number(score.hosts_dropped));
  add("  pairs         %llu, %llu missing\n", number(score.pairs), number(score.missing));
  add("  interference  %llu pairs; precision %.3f, recall %.3f\n", number(score.interfered),
      score.precision(), score.recall());
  add("  mistakes      %llu false yes, %llu false no, %llu inconclusive (%.3f %%), %llu other "
      "verdicts\n",
      number(score.false_positives), number(score.false_negatives), number(score.inconclusive),
      score.pairs == 0
          ? 0.0
          : 100.0 * static_cast<double>(score.inconclusive) / static_cast<double>(score.pairs),
      number(score.wrong_verdicts));
  if (score.by_chance > 0)
    add("  by chance     %llu pairs: %llu yes, %llu no, the rest inconclusive\n",
        number(score.by_chance), number(score.by_chance_yes), number(score.by_chance_no));
  add("  names         %llu true, %llu found, %llu right\n", number(score.names_true),
      number(score.names_found), number(score.names_right));
  add("  interceptors  %llu true, %llu found, %llu right\n", number(score.interceptors_true),
      number(score.interceptors_found), number(score.interceptors_right));
  const Score::Traces& traces = score.traces;
  if (traces.records > 0) {
    add("  traces        %llu to locate, %llu located, %llu right, %llu wrong; %llu not located, "
        "%llu missing\n",
        number(traces.to_locate), number(traces.located), number(traces.right),
        number(traces.wrong), number(traces.not_located), number(traces.missing));
    add("  of traces     wrong: %llu placements, %llu terminating, %llu TTL copied, %llu paths\n",
        number(traces.wrong_placements), number(traces.wrong_terminating),
        number(traces.wrong_ttl_copied), number(traces.wrong_paths));
  }
  for (const Score::WrongPair& pair : score.wrong)
    text += "  wrong: " + format_address(pair.address) + " " + pair.server_name + ": found " +
            pair.found + ", right " + pair.right + " (" + pair.reason + ")\n";
  for (const Score::Traces::Wrong& trace : traces.wrong_ones)
    text += "  wrong trace: " + format_address(trace.address) + " " + trace.server_name +
            ": found " + trace.found + "; right " + trace.right + "\n";
  return text;
}

}  // namespace steppe::sim
