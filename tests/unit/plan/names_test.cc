// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/names.h"

#include <set>

#include "tests/unit/plan/support.h"

namespace steppe {
namespace {

using Names = std::vector<std::string>;

TEST(IsHostName, TakesWhatServerNameMayHold) {
  const std::string label_63(63, 'a');
  const std::string longest =
      label_63 + "." + label_63 + "." + label_63 + "." + std::string(61, 'b');
  ASSERT_EQ(longest.size(), 253u);
  for (const std::string& name :
       {std::string("facebook.com"), std::string("WWW.Example.ORG"), std::string("localhost"),
        std::string("a.b"), std::string("_dmarc.example.com"), std::string("x--y.example"),
        std::string("xn--80ak6aa92e.com"), std::string("1.2.3.com"), std::string("3com.com"),
        std::string("com.3com"), label_63 + ".com", longest}) {
    EXPECT_TRUE(is_host_name(name)) << name;
  }
}

TEST(IsHostName, RefusesWhatItMayNot) {
  const std::string label_63(63, 'a');
  const std::string too_long =
      label_63 + "." + label_63 + "." + label_63 + "." + std::string(62, 'b');
  using namespace std::string_literals;
  for (const std::string& name : {""s,
                                  "."s,
                                  "example.com."s,
                                  ".example.com"s,
                                  "a..b"s,
                                  "-a.com"s,
                                  "a-.com"s,
                                  "a.-com"s,
                                  "a b.com"s,
                                  "a.com/"s,
                                  "https://a.com"s,
                                  "a.com:443"s,
                                  "*.a.com"s,
                                  "192.0.2.1"s,
                                  "1"s,
                                  "1.2.3"s,
                                  "b\xc3\xbc"
                                  "cher.de"s,
                                  "a\0.com"s,
                                  "a\n.com"s,
                                  "[::1]"s,
                                  "::1"s,
                                  label_63 + "a.com",
                                  too_long}) {
    EXPECT_FALSE(is_host_name(name)) << name;
  }
}

TEST(ReadNameFile, ListsCommentsAndTopLists) {
  const TemporaryFile file(
      "# the names\n"
      "Facebook.com\r\n"
      "\n"
      "  google.com  # a comment\n"
      "3,mail.google.com\n"
      "1,2,youtube.com\n"
      "facebook.COM\n"
      "vk.com");
  EXPECT_EQ(read_name_file(file.path()),
            (Names{"facebook.com", "google.com", "mail.google.com", "youtube.com", "vk.com"}));
}

TEST(ReadNameFile, SaysWhereAndWhat) {
  const TemporaryFile file("a.com\n\nfoo bar\nb.com\n");
  EXPECT_EQ(operator_error([&] { read_name_file(file.path()); }),
            file.path() +
                ":3: \"foo bar\" is no host name: write it like www.example.com, without scheme, "
                "port, path or trailing dot, international names as xn--...");
  const TemporaryFile empty_field("1,\n");
  EXPECT_NE(operator_error([&] { read_name_file(empty_field.path()); }).find(":1: \"\""),
            std::string::npos);
  const TemporaryFile binary(std::string("\x01\x02\n", 3));
  EXPECT_NE(operator_error([&] { read_name_file(binary.path()); }).find("\"\\x01\\x02\""),
            std::string::npos);
}

TEST(ReadNameFile, EmptyMissingAndUnreadableFiles) {
  const TemporaryFile empty("# nothing\n\n");
  EXPECT_EQ(operator_error([&] { read_name_file(empty.path()); }),
            empty.path() + ": no names in it; write one host name a line");
  EXPECT_EQ(operator_error([] { read_name_file("/nonexistent/names.txt"); }),
            "cannot read /nonexistent/names.txt: No such file or directory");
  EXPECT_EQ(operator_error([] { read_name_file("/tmp"); }), "cannot read /tmp: Is a directory");
}

TEST(RandomControlNames, AreWellFormedDifferentAndReproducible) {
  const Names names = random_control_names(1, 1000);
  EXPECT_EQ(names.size(), 1000u);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 1000u);
  std::set<size_t> lengths;
  std::set<std::string> endings;
  for (const std::string& name : names) {
    EXPECT_TRUE(is_host_name(name)) << name;
    const size_t dot = name.find('.');
    lengths.insert(dot);
    endings.insert(name.substr(dot));
  }
  EXPECT_EQ(lengths, (std::set<size_t>{10, 11, 12, 13, 14, 15, 16}));
  EXPECT_EQ(endings, (std::set<std::string>{".net", ".com", ".org"}));
  EXPECT_EQ(random_control_names(1, 1000), names);
  EXPECT_NE(random_control_names(2, 1000), names);
  // A longer list begins with the shorter one, so a resumed scan may ask for more.
  EXPECT_EQ(random_control_names(1, 2), (Names{names[0], names[1]}));
}

TEST(MakeNameTable, ControlsComeFirst) {
  const NameTable table = make_name_table({"One.net", "two.net", "one.net"},
                                          {"Facebook.com", "vk.com", "facebook.com"});
  EXPECT_EQ(table.names, (Names{"one.net", "two.net", "facebook.com", "vk.com"}));
  EXPECT_EQ(table.controls, 2u);
  EXPECT_EQ(table.columns(), 4u);
  EXPECT_TRUE(table.is_control(1));
  EXPECT_FALSE(table.is_control(2));
}

TEST(MakeNameTable, RefusesWhatCannotBeMeasured) {
  const auto error = [](Names controls, Names tests) {
    return operator_error([&] { make_name_table(controls, tests); });
  };
  EXPECT_NE(error({"one.net", "192.0.2.1"}, {"a.com"}).find("\"192.0.2.1\" is no host name"),
            std::string::npos);
  EXPECT_NE(error({"one.net", "two.net"}, {"a com"}).find("\"a com\" is no host name"),
            std::string::npos);
  EXPECT_NE(error({"one.net", "two.net"}, {"TWO.net"}).find("\"two.net\" is both"),
            std::string::npos);
  EXPECT_NE(error({"one.net"}, {"a.com"}).find("two different control names"), std::string::npos);
  EXPECT_NE(error({"one.net", "ONE.net"}, {"a.com"}).find("two different control names"),
            std::string::npos);
  EXPECT_NE(error({"one.net", "two.net"}, {}).find("no server names to test"), std::string::npos);
}

}  // namespace
}  // namespace steppe
